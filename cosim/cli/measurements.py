"""Commands that measure or verify: `duramesh verify`, `bench`, `transport`, `figures`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosim.cli.analog import AnalogChoice, analog_options
from cosim.cli.numbers import RealRange
from cosim.cli.shared import (
    FILE,
    FOLDER,
    INPUT,
    OUTPUT_FILE,
    OUTPUT_FOLDER,
    PLOT,
    SEED,
    Task,
    WrittenFile,
    new_console,
    new_progress,
    print_files,
    resumable,
    write_then_print,
)
from cosim.cli.workers import worker_options

if TYPE_CHECKING:
    from cosim.sweep import Workers

__all__ = ["bench", "figures", "transport", "verify"]


@click.command()
@click.argument("saved", nargs=-1, type=FILE)
@click.option("--experiments", type=click.IntRange(min=0), default=100, show_default=True, help="How many (more).")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Which ones.")
@click.option("--packets", type=click.IntRange(min=0), default=500, show_default=True, help="On the host port, in all.")
@click.option("--preset", type=click.Choice(["chip", "small"]), default="chip", show_default=True)
@click.option("--block", type=click.IntRange(min=1), default=20, show_default=True, help="Experiments of one session.")
@click.option("--weights", type=RealRange(0, 1), default=0.05, show_default=True, help="Share that programs weights.")
@click.option("--json", "json_file", type=OUTPUT_FILE, help="Write the results there, after each block.")
@click.option("--resume", is_flag=True, help="Go on where the file that --json names left off.")
@click.option("--save", "folder", type=OUTPUT_FOLDER, help="Folder for failing experiments, made small.")
@click.option("--detail", is_flag=True, help="Print the hits of every bin.")
@click.option("--complete", is_flag=True, help="Fail if something of the coverage has no hit.")
@click.option(
    "--code-coverage", type=OUTPUT_FOLDER, help="Count lines and toggles of the RTL, too, into that folder; slower."
)
@click.option("--html", type=OUTPUT_FILE, help="Show the coverage on a page.")
@click.pass_context
def verify(ctx: click.Context, saved: tuple[Path, ...], detail: bool, complete: bool, **choices: Any) -> None:
    """Compare the RTL with the golden model on random experiments, or on SAVED ones.

    Exits with status 1 if they differ.
    """
    from cosim.verification.command import Settings, replay, run

    if saved:
        ctx.exit(0 if replay(saved, new_console()) else 1)
    with new_progress() as bar:
        outcome = run(Settings(**choices), new_console(), detail=detail, advance=Task(bar).describe)
    if outcome.state.interrupted:
        ctx.exit(130)
    ctx.exit(0 if outcome.state.passed and (outcome.complete or not complete) else 1)


@click.command()
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds; medians are shown.")
@click.option("--quick", is_flag=True, help="Two rounds on small chips: whether it works, not how fast it is.")
@click.option("--rebuild", is_flag=True, help="Build the simulator anew, to see how long that takes.")
@click.option("--json", "json_file", type=OUTPUT_FILE, help="Write the results there.")
@click.option("--plot", "picture", type=PLOT, help="Draw how speed scales: .png, .svg, .pdf.")
@click.option("--report", type=OUTPUT_FOLDER, help="Folder for both: benchmark.json, benchmark.png.")
@analog_options
@click.pass_context
def bench(
    ctx: click.Context,
    repeats: int,
    quick: bool,
    rebuild: bool,
    json_file: Path | None,
    picture: Path | None,
    report: Path | None,
    analog: AnalogChoice,
) -> None:
    """Measure RTL, bare model, twin and numpy on the same work: docs/benchmarks.md.

    Ctrl-C after the first round ends it with the rounds that were finished.
    """
    from cosim.benchmark.report import plot, print_benchmark, write_json
    from cosim.benchmark.suite import Plan, measure

    constants = analog.config()
    plan = Plan.quick(constants) if quick else Plan.full(repeats, constants)
    with new_progress() as bar:
        result = measure(plan, Task(bar).describe, rebuild=rebuild)
    if report:
        json_file = json_file or report / "benchmark.json"
        picture = picture or report / "benchmark.png"
    files: dict[str, WrittenFile] = {
        "json": (json_file, partial(write_json, result)),
        "plot": (picture, partial(plot, result)),
    }
    write_then_print(files, partial(print_benchmark, result))
    if result.interrupted:
        ctx.exit(130)


@click.command()
@click.option("--vectors", type=click.IntRange(min=1), default=2048, show_default=True, help="Vectors of each range.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Which vectors, and which chip.")
@click.option(
    "--engine", type=click.Choice(["rtl", "twin"]), default="rtl", show_default=True, help="What runs the chip."
)
@click.option("--json", "json_file", type=OUTPUT_FILE, help="Write the results there.")
@click.option(
    "--report",
    type=OUTPUT_FOLDER,
    default=Path("reports/transport"),
    show_default=True,
    help="Folder for the picture.",
)
@click.pass_context
def transport(ctx: click.Context, vectors: int, seed: int, engine: str, json_file: Path | None, report: Path) -> None:
    """Send durations from one landing pad to all others: errors of ideal and of modelled (not measured) wires.

    Ctrl-C after the first range ends it with the ranges that were finished.
    """
    from cosim.engines.rtl.engine import RtlEngine
    from cosim.engines.twin.engine import TwinEngine
    from cosim.figures.transport_experiment import measure_transport

    runner = TwinEngine() if engine == "twin" else RtlEngine()  # the first time, it builds the simulator
    with new_progress() as bar:
        say = Task(bar)
        say("sending vectors")
        outcome = measure_transport(runner, vectors=vectors, seed=seed, progress=say.advance)
    picture = report / "transport.png"
    files: dict[str, WrittenFile] = {
        "transport_errors": (picture, outcome.write_picture),
        "json": (json_file, partial(outcome.write_json, files={"transport_errors": str(picture)})),
    }
    write_then_print(files, outcome.print)
    if outcome.interrupted:
        ctx.exit(130)


@click.command()
@click.argument("studies", nargs=-1, metavar="[NAME]...")
@click.option("--quick", is_flag=True, help="Less of everything, in three minutes: whether it works.")
@click.option(
    "--out", type=OUTPUT_FOLDER, help="Folder of the report. Default: reports/figures, or reports/figures-quick."
)
@click.option("--audio", type=FOLDER, help="Speech Commands or its test archive. Default: synthesised speech.")
@click.option(
    "--features",
    type=INPUT,
    envvar="DURAMESH_FEATURES",
    help="Prepared features for calibration and training. [env: DURAMESH_FEATURES]",
)
@click.option("--seed", type=click.IntRange(0, 2**63), default=0, show_default=True, help="Of the first chip.")
@click.option("--chips", type=click.IntRange(min=1), help="Chips where a study takes many. Default: 20, quick 2.")
@analog_options
@worker_options
@click.option("--stale", is_flag=True, help="Take what earlier code has measured as well.")
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of tables.")
@click.option("--list", "listed", is_flag=True, help="List the studies, and measure nothing.")
def figures(
    studies: tuple[str, ...],
    out: Path | None,
    analog: AnalogChoice,
    workers: "Callable[[float, Path], Workers]",
    as_json: bool,
    listed: bool,
    **choices: Any,
) -> None:
    """Characterise the chip: pictures beside the papers' numbers, on one page.

    NAME is a study, all by default. What is measured is kept in the folder: an interrupted or killed campaign goes on
    when the same command is given again.
    """
    from cosim.figures import Campaign
    from cosim.figures.campaign import MEMORY
    from cosim.figures.registry import select
    from cosim.figures.report import make_report, print_findings
    from cosim.files.json_text import to_json

    chosen = select(studies)
    if listed:
        for study in chosen:
            click.echo(f"{study.name:<14}{study.title}")
        return
    out = out or Path("reports", "figures-quick" if choices["quick"] else "figures")
    with new_progress() as bar:
        say = Task(bar)
        campaign = Campaign(
            out, analog=analog.config(), workers=workers(MEMORY, out), **choices, say=say, advance=say.advance
        )
        with resumable(out, bar):
            results = make_report(campaign, chosen, select(()), say=bar.console.print)
    if as_json:
        click.echo(to_json(results, indent=1))
        return
    console = new_console()
    print_findings(results, console)
    print_files(console, {"report": str(out / "index.html"), "json": str(out / "results.json")})
