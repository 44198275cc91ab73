"""The tables of docs/energy.md, from what `duramesh energy` gives, kept in docs/energy.json.

``python -m cosim.workloads.predictions.page`` writes them anew into the page; with ``--manifest``, ``--data`` and
``--model`` every command runs again first.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from cosim.files.archive import write_text
from cosim.files.errors import UserError
from cosim.files.json_text import from_json, to_json
from cosim.files.marked import MarkError, put_between
from cosim.files.wording import counted
from cosim.performance.constants import EnergyConstants, energy_table

__all__ = ["COMMANDS", "PageError", "counted_anew", "renew"]

#: What is other, and the options that make it so.
_RNNT_WHAT_IF = {
    "as it is": "",
    "half durations": " --duration 127",
    "6 bits": " --duration 63",
    "half the conductances": " --conductance 0.5",
    "twice the conductances": " --conductance 2",
    "devices of a 14-nm chip": " --devices hermes",
    "vectors over pins": " --port-gbps 38.4",
    "nine landing pads of each kind": " --pads 9",
}
_ALBERT_WHAT_IF = {
    "as it is": "",
    "half durations": " --duration 127",
    "6 bits": " --duration 63",
    "half the conductances": " --conductance 0.5",
    "twice the conductances": " --conductance 2",
    "devices of a 14-nm chip": " --devices hermes",
    "twelve landing pads of each kind": " --pads 12",
    "tiles of 1,024 rows and columns": " --lanes 1024",
    "pipelined, with digital cores": " --pipelined",
}
_ORDERS = {
    "one after the other, a frame of chip 5 a symbol": "",
    "the decoder's three layers each wait for the one before, as greedy decoding asks for": " --decoder-frames 3",
    "an utterance begins as soon as chip 1 is free": " --overlapped",
}
_KWS = {
    "pulses to 255 ns": "",
    "to 127 ns": " --duration 127",
    "to 63 ns": " --duration 63",
    "to 255 ns, devices of a 14-nm chip": " --devices hermes",
}
_LIMITED = "rnnt --limit 100"
#: Everything that is on the page, as it stands behind ``duramesh energy``.
COMMANDS = (
    *(f"rnnt{options}" for options in _ORDERS.values()),
    *(f"{_LIMITED}{options}" for options in _RNNT_WHAT_IF.values()),
    *(f"albert{options}" for options in _ALBERT_WHAT_IF.values()),
    *(f"kws{options}" for options in _KWS.values()),
)
_END = "<!-- end -->"
#: Of an entry, what no table shows.
_LEFT_OUT = ("activity", "by_unit", "by_step")

Results = Mapping[str, Any]


class PageError(UserError, ValueError):
    """A command failed, or results lack one that the page shows; the message says which."""


def counted_anew(
    manifest: Path, data: Path, model: Path, say: Callable[[str], None] = lambda words: None
) -> dict[str, dict[str, Any]]:
    """What every command gives as JSON, without what no table shows.

    Parameters
    ----------
    manifest, data, model : Path
        Data that the commands want.
    say : callable, optional

    Raises
    ------
    PageError
        If a command fails; the message is its own.
    """
    found = {}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "counted.json"
        for command in COMMANDS:
            say(command)
            words = [*command.split(), "--json", str(file)]
            if command.startswith("rnnt"):
                words += ["--manifest", str(manifest)]
            elif command == "albert":
                words += ["--data", str(data), "--model", str(model)]
            run = subprocess.run(
                [sys.executable, "-m", "cosim.cli", "energy", *words], capture_output=True, text=True, check=False
            )
            if run.returncode:
                raise PageError(f"duramesh energy {command}: {run.stderr.strip()}")
            report: dict[str, Any] = from_json(file.read_bytes())
            entries = report["entries"]
            report["entries"] = [{k: v for k, v in one.items() if k not in _LEFT_OUT} for one in entries]
            found[command] = report
    return found


def renew(page: str, results: Results) -> str:
    """The page with its tables made of results.

    Raises
    ------
    PageError
        If results lack a command.
    MarkError
        If the page lacks the marks of a table.
    """
    for name, table in _TABLES.items():
        try:
            made = table(results)
        except KeyError as error:
            raise PageError(f"results lack {error}: count them anew, with --manifest, --data and --model") from None
        page = put_between(page, f"<!-- {name}: python -m cosim.workloads.predictions.page -->", _END, made)
    return page


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """In Markdown; the first columns are texts, the others numbers."""
    lines = [head, ["---" if at < left else "---:" for at in range(len(head))], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _predictions(command: str) -> Callable[[Results], str]:
    def table(results: Results) -> str:
        return _table(("figure", "here", "paper", "off"), map(_predicted, results[command]["predictions"]))

    return table


def _predicted(one: Mapping[str, Any]) -> tuple[str, ...]:
    unit, digits = (f" {one['unit']}" if one["unit"] else ""), one["digits"]
    here = f"{one['value']:,.{digits}f}{unit}"
    if one["paper"] is None:
        return one["what"], here, "", ""
    paper = f"{'> ' if one['relation'] == '>' else ''}{one['paper']:,.{digits}f}{unit}"
    return one["what"], here, paper, "fitted" if one["fitted"] else f"{one['off']:+.1%}"


def _figure(report: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in report["predictions"] if one["what"] == what)
    return found


def _chips(results: Results) -> str:
    report = results["rnnt"]
    entries = report["entries"]
    rows = (
        ("frame, ns", [f"{one['frame_ns']:,}" for one in entries]),
        ("its vectors on the pins, ns", [f"{one['pins_ns']:,.0f}" for one in entries]),
        ("power at work, W", [f"{one['watts']:.3f}" for one in entries]),
        ("of that at 1.5 V", [f"{one['by_supply']['1.5 V'] / one['frame_ns']:.3f}" for one in entries]),
        ("frames", [f"{report['frames'][one['entry']]:,}" for one in entries]),
    )
    table = _table(("", *(one["entry"] for one in entries)), ((name, *cells) for name, cells in rows))
    return (
        f"{table}\n{counted(report['utterances'], 'utterance')}, without {report['left_out']:,} that last longer "
        "than 15 s. "
        f"Clock and leakage of chips that wait take another {report['waiting_j']:.2f} J, which the paper leaves out.\n"
    )


def _orders(results: Results) -> str:
    rows = []
    for what, options in _ORDERS.items():
        one = _figure(results[f"rnnt{options}"], "time of all")
        rows.append((what, f"`duramesh energy rnnt{options}`", f"{one['value']:.4f} s", f"{one['off']:+.1%}"))
    return _table(("utterances", "command", "time of all", "off the paper's"), rows, left=2)


def _rnnt_what_if(results: Results) -> str:
    rows = []
    for what, options in _RNNT_WHAT_IF.items():
        report = results[f"{_LIMITED}{options}"]
        chip = next(one for one in report["entries"] if one["entry"] == "chip 4")
        fourth = f"{chip['tops_w']:.2f} TOPS/W, {chip['frame_ns']:,} ns"
        system = f"{_figure(report, 'system')['value']:.2f} TOPS/W, {report['latency_us']['mean']:,.0f} us a sample"
        rows.append((what, f"`duramesh energy {_LIMITED}{options}`", fourth, system))
    return _table(("what if", "command", "chip 4", "system"), rows, left=2)


def _lengths(results: Results) -> str:
    rows = (
        (
            f"{one['tokens']:,}",
            f"{1e-3 * one['us']:.2f} ms",
            f"{one['per_second']:,.0f}",
            f"{one['per_joule']:,.0f}",
            f"{one['tops_w']:.2f}",
            f"{one['share_of_operations']:.1%}",
            f"{one['share_of_energy']:.1%}",
        )
        for one in results["albert"]["lengths"]
    )
    head = ("tokens", "time", "sequences a second", "a joule", "TOPS/W", "operations on the chip", "energy of the chip")
    return _table(head, rows, left=0)


def _tasks(results: Results) -> str:
    rows = (
        (
            one["source"],
            f"{one['sequences']:,}",
            f"{one['mean_tokens']:.1f}",
            f"{one['per_second']:,.0f}",
            f"{one['per_joule']:,.0f}",
            f"{one['tops_w']:.2f}",
            f"{one['share_of_energy']:.1%}",
        )
        for one in results["albert"]["tasks"]
    )
    head = ("task", "sequences", "mean tokens", "sequences a second", "a joule", "TOPS/W", "energy of the chip")
    return _table(head, rows)


def _needed(results: Results) -> str:
    rows = (
        (f"`{name}`", f"{one['is']:.4g}", f"{one['for_3_tops_w']:.4g}", f"{one['for_3_tops_w'] / one['is'] - 1:+.0%}")
        for name, one in results["albert"]["needed"].items()
    )
    return _table(("constant, fitted on chip 4", "is", "for 3 TOPS/W at 64 tokens", "off"), rows)


def _albert_what_if(results: Results) -> str:
    rows = []
    for what, options in _ALBERT_WHAT_IF.items():
        one = next(one for one in results[f"albert{options}"]["lengths"] if one["tokens"] == 64)
        rows.append(
            (what, f"`duramesh energy albert{options}`", f"{one['tops_w']:.2f} TOPS/W", f"{one['per_second']:,.0f}")
        )
    return _table(("what if", "command", "64 tokens", "sequences a second"), rows, left=2)


def _kws(results: Results) -> str:
    rows = []
    for what, options in _KWS.items():
        (one,) = results[f"kws{options}"]["entries"]
        static = one["by_mechanism"]["clock and static"] / one["nj"]
        cells = (f"{one['nj']:,.0f} nJ", f"{1e3 * one['watts']:,.0f} mW", f"{one['tops_w']:.2f}", f"{static:.0%}")
        rows.append((what, f"`duramesh energy kws{options}`", f"{one['frame_ns']:,} ns", *cells))
    return _table(("", "command", "frame", "energy", "power", "TOPS/W", "clock and leakage"), rows, left=2)


_TABLES: Mapping[str, Callable[[Results], str]] = {
    "constants": lambda results: energy_table(EnergyConstants.nominal()),
    "rnnt": _predictions("rnnt"),
    "rnnt chips": _chips,
    "rnnt orders": _orders,
    "albert": _predictions("albert"),
    "albert lengths": _lengths,
    "albert tasks": _tasks,
    "albert needed": _needed,
    "kws": _kws,
    "rnnt what if": _rnnt_what_if,
    "albert what if": _albert_what_if,
}

_FILE = click.Path(exists=True, path_type=Path)


@click.command()
@click.option("--docs", type=_FILE, default="docs", show_default=True, help="Folder with energy.md and energy.json.")
@click.option("--manifest", type=_FILE, help="As of `duramesh energy rnnt`: count everything anew.")
@click.option("--data", type=_FILE, help="As of `duramesh energy albert`, as is --model.")
@click.option("--model", type=_FILE)
def main(docs: Path, manifest: Path | None, data: Path | None, model: Path | None) -> None:
    """Write the tables of docs/energy.md."""
    if any((manifest, data, model)) and not (manifest and data and model):
        raise click.UsageError("--manifest, --data and --model go together: all tables are counted anew")
    try:
        if manifest and data and model:
            found = counted_anew(
                manifest, data, model, lambda command: click.echo(f"duramesh energy {command}", err=True)
            )
            write_text(docs / "energy.json", to_json(found, indent=1) + "\n")
        page = (docs / "energy.md").read_text(encoding="utf-8")
        write_text(docs / "energy.md", renew(page, from_json((docs / "energy.json").read_bytes())))
    except MarkError as error:
        raise click.ClickException(f"{docs / 'energy.md'}: {error}") from None
    except (UserError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
