"""`python -m tests.formal.mutate`: break the RTL in ten ways, and see that proofs or tests notice each.

A proof that no longer goes through is a hint, not a kill: its invariants speak of the way in which the RTL keeps its
promises, and break as well if the RTL is right in another way. What kills a mutant is a run from reset that breaks a
claim of the specification (the proof is asked for one), or else a simulation that fails.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from tests.formal.harness import PATIENCE
from tests.formal.proofs import OF, PROOFS

__all__ = ["MUTANTS", "Mutant", "broken_copy"]

_ROOT = Path(__file__).parents[2]
#: What a copy needs to run proofs and tests.
_PARTS = ("rtl", "tests/rtl", "tests/formal", "docs/fabric.md", "pyproject.toml")
#: Source -> simulations of it, should the proofs pass.
_TESTS = {
    "rtl/sequencer.py": "tests/rtl/test_sequencer.py",
    "rtl/local_controller.py": "tests/rtl/test_tile.py",
    "rtl/mesh.py": "tests/rtl/test_mesh.py",
    "rtl/tile.py": "tests/rtl/test_tile.py",
    "rtl/input_landing_pad.py": "tests/rtl/test_pads.py",
    "rtl/output_landing_pad.py": "tests/rtl/test_pads.py",
    "rtl/host_port.py": "tests/rtl/test_host_port.py",
}


@dataclass(frozen=True)
class Mutant:
    """One bug.

    Parameters
    ----------
    name : str
    file : str
        Where it goes.
    patches : tuple of (old, new)
        Each `old` must occur once.
    """

    name: str
    file: str
    patches: tuple[tuple[str, str], ...]


MUTANTS = (
    Mutant(
        "a wait is one cycle too long",
        "rtl/sequencer.py",
        (("left.eq(Mux(first, word.wait, left - 1))", "left.eq(Mux(first, word.wait + 1, left - 1))"),),
    ),
    Mutant(
        "a loop runs once too often",
        "rtl/sequencer.py",
        (("final[level].eq(present == 2)", "final[level].eq(present == 1)"),),
    ),
    Mutant(
        "a start in the last cycle of a word is lost",
        "rtl/sequencer.py",
        (("with m.If(self.start):", "with m.If(self.start & ~last):"),),
    ),
    Mutant(
        "a write to MESH leaks into WRITE: two bits of the bank decoded",
        "rtl/local_controller.py",
        (
            (
                "with m.If(sequencer.issue & (sequencer.bank == bank)):",
                "with m.If(sequencer.issue & (sequencer.bank[:2] == (bank & 3))):",
            ),
        ),
    ),
    Mutant(
        "CUSTOM of the row switch takes the south edge's mask",
        "rtl/mesh.py",
        (('return Edge.WEST if "rows" in switch else Edge.SOUTH', "return Edge.SOUTH"),),
    ),
    Mutant(
        "contention: only neighbours in the list are compared",
        "rtl/mesh.py",
        (
            ("from itertools import combinations", "from itertools import pairwise"),
            ("combinations(drivers, 2)", "pairwise(drivers)"),
        ),
    ),
    Mutant(
        "counters roll over at 255",
        "rtl/output_landing_pad.py",
        (("carry = self.data & ~fallen & ~reduce(and_, planes)", "carry = self.data & ~fallen"),),
    ),
    Mutant(
        "a second pulse is counted: the fall is not remembered",
        "rtl/output_landing_pad.py",
        (("fallen.eq(fallen | (before & ~self.data))", "fallen.eq(before & ~self.data)"),),
    ),
    Mutant(
        "the pointer goes on past the last vector",
        "rtl/input_landing_pad.py",
        (("pointer = Signal(range(config.ilp_vectors))", "pointer = Signal(range(config.ilp_vectors + 1))"),),
    ),
    Mutant(
        "a write is dropped while the host does not take its answers",
        "rtl/host_port.py",
        (
            (
                "m.d.comb += [listens.eq(1), writing.eq(rx.valid)]",
                "m.d.comb += [listens.eq(1), writing.eq(rx.valid & may_read)]",
            ),
        ),
    ),
)


def broken_copy(mutant: Mutant | None, folder: Path) -> None:
    """Copy the project to `folder` and put the bug in (None: leave it as it is).

    Raises
    ------
    ValueError
        If the source no longer has the place, or has it more than once: the mutant has to follow the source.
    """
    for part in _PARTS:
        source, target = _ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    if mutant is None:
        return
    file = folder / mutant.file
    text = file.read_text(encoding="utf-8")
    for old, new in mutant.patches:
        if text.count(old) != 1:
            raise ValueError(f"mutant {mutant.name!r}: {mutant.file} has {old!r} {text.count(old)} times, wanted once")
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def proofs_of(file: str) -> list[str]:
    """Names of the proofs about a source file, quick ones first; covers prove nothing wrong and are left out."""
    modules = {module.__name__ for module in OF[file]}
    names = [name for name, proof in PROOFS.items() if proof.build.__module__ in modules and proof.mode != "cover"]
    return sorted(names, key=lambda name: not PROOFS[name].quick)


def run_proof(folder: Path, name: str, timeout: float, *options: str) -> dict[str, Any]:
    """Outcome of one proof in the copy.

    Raises
    ------
    RuntimeError
        If it could not be run, or meets other names than it knows: that would find a mutant for a wrong reason.
    """
    report = folder / "outcome.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.formal", name, *options, "--timeout", str(timeout), "--json", str(report)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if not report.exists():
        raise RuntimeError(f"{name} did not run:\n{done.stdout}{done.stderr}")
    (outcome,) = json.loads(report.read_text()).values()
    if outcome["result"] == "ERROR":
        raise RuntimeError(f"{name}: {outcome['why']}")
    return outcome


def failing_claim(folder: Path, file: str, timeout: float) -> str:
    """A claim about `file` that a run from reset breaks, by the first proof that fails; empty if it finds none."""
    for name in proofs_of(file):
        if run_proof(folder, name, PATIENCE)["result"] != "pass":
            outcome = run_proof(folder, name, timeout, "--refute")
            return f"{name.rpartition('-')[0]}: {short(outcome['why'])}" if outcome["result"] == "FAIL" else ""
    return ""


def short(why: str) -> str:
    """The first of the claims that a run breaks."""
    return why.split(", ")[0].removeprefix("claim_")


def failing_test(folder: Path, file: str) -> str:
    """First test of `file` that fails in the copy; empty if all pass."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no", "-rf"]
    command = [sys.executable, "-m", "pytest", *options, _TESTS[file]]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    failed = [line.removeprefix("FAILED ").split(" - ")[0] for line in done.stdout.splitlines() if "FAILED" in line]
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the tests did not run:\n{done.stdout}{done.stderr}")
    return failed[0] if failed else ""


@click.command()
@click.argument("numbers", nargs=-1, type=click.IntRange(1, len(MUTANTS)))
@click.option("--timeout", default=45.0, show_default=True, help="Seconds for one search for a broken claim.")
def main(numbers: tuple[int, ...], timeout: float) -> None:
    """Run the proofs and tests on mutants of the RTL, all ten or those of the given NUMBERS."""
    console = Console()
    chosen = [MUTANTS[number - 1] for number in numbers] or list(MUTANTS)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        broken_copy(None, folder)
        for file in dict.fromkeys(mutant.file for mutant in chosen):
            for name in proofs_of(file):
                outcome = run_proof(folder, name, PATIENCE)
                if outcome["result"] != "pass":
                    raise click.ClickException(f"the RTL as it is fails {name}: {outcome['result']} {outcome['why']}")
            if found := failing_test(folder, file):
                raise click.ClickException(f"the RTL as it is fails {found}")
    say(f"unbroken RTL passes ({time.monotonic() - started:.0f} s)")

    table = Table("mutant", "where", "killed by", Column("seconds", justify="right"))
    killed = 0
    for mutant in chosen:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            broken_copy(mutant, Path(scratch))
            found = failing_claim(Path(scratch), mutant.file, timeout) or failing_test(Path(scratch), mutant.file)
        killed += bool(found)
        seconds = f"{time.monotonic() - started:.0f}"
        table.add_row(mutant.name, mutant.file, found or "SURVIVED", seconds)
        say(f"{mutant.name}: {found or 'SURVIVED'} ({seconds} s)")
    console.print(table)
    console.print(f"{killed}/{len(chosen)} killed")
    sys.exit(killed != len(chosen))


if __name__ == "__main__":
    main()
