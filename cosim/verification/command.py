"""What the command `duramesh verify` does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from cosim.engines.rtl.build import build
from cosim.engines.rtl.engine import RtlEngine
from cosim.experiment import Experiment
from cosim.files.archive import write_text
from cosim.files.errors import UserError
from cosim.files.json_text import from_json, to_json
from cosim.files.printing import print_table
from cosim.files.wording import counted
from cosim.isa.assembler import disassemble
from cosim.verification.code_coverage import CodeCoverage
from cosim.verification.coverage import Coverage, bins
from cosim.verification.coverage_page import page
from cosim.verification.runner import Mismatch, Verification, compare, smallest, verify, verify_packets
from rtl.config import preset

__all__ = ["Outcome", "Settings", "StateError", "listing", "replay", "run"]

_FORMAT = "duramesh verification"
#: Holes that are printed by name.
_HOLES = 30
#: Mismatches that are made small; they often have one cause.
_SHRUNK = 2


class StateError(UserError, ValueError):
    """A file does not hold a verification that could go on."""


@dataclass(frozen=True)
class Settings:
    """What is verified.

    Parameters
    ----------
    preset : str
        The chip's sizes.
    experiments : int
        How many (more).
    packets : int
        Random packets on the host port in all, whether it resumes or not.
    seed : int
        Which ones.
    block : int
        Experiments of one session.
    weights : float
        Share of the experiments that programs weights.
    json_file : Path, optional
        The results are written there after each block.
    resume : bool
        Go on where that file left off.
    folder : Path, optional
        For failing experiments, made small.
    code_coverage : Path, optional
        Folder for the counts of the RTL's line and toggle coverage.
    html : Path, optional
        For a page with the coverage.
    """

    preset: str = "chip"
    experiments: int = 100
    packets: int = 500
    seed: int = 0
    block: int = 20
    weights: float = 0.05
    json_file: Path | None = None
    resume: bool = False
    folder: Path | None = None
    code_coverage: Path | None = None
    html: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What a verification found.

    Parameters
    ----------
    state : Verification
    code : CodeCoverage or None
        If it was asked for.
    """

    state: Verification
    code: CodeCoverage | None

    @property
    def complete(self) -> bool:
        """Whether no bin is without a hit, and no line and no toggle that is not waived."""
        return not self.state.coverage.holes and not (self.code and self.code.holes)


def run(
    settings: Settings, console: Console, *, detail: bool = False, advance: Callable[[str, int, int], None]
) -> Outcome:
    """Random experiments and packets on a chip: prints what they found.

    Parameters
    ----------
    settings : Settings
    console : Console
    detail : bool
        Print the hits of every bin.
    advance : callable (what is being done, done, total)

    Raises
    ------
    StateError
        If it is to resume what is not there, or was another verification; if it is not, and the folder for the counts
        of the code coverage has some.
    """
    config, counts = preset(settings.preset), settings.code_coverage
    state = _load(settings) if settings.resume else Verification(settings.seed, 0, Coverage(bins(config)))
    if counts is not None and not settings.resume and CodeCoverage.counts(counts):
        raise StateError(f"{counts} has counts of another verification; name another folder, or --resume that one")
    simulator = build(config, coverage=counts)
    engine = RtlEngine(config, coverage=counts)
    goal = state.done + settings.experiments

    def keep(state: Verification) -> None:
        advance(counted(state.found, "mismatch", "mismatches"), state.done, goal)
        if settings.json_file is not None:
            values = {"format": _FORMAT, "preset": settings.preset, **state.to_json()}
            write_text(settings.json_file, to_json(values, indent=1) + "\n")

    advance("packets on the host port", state.packets, settings.packets)
    verify_packets(config, simulator, state, packets=settings.packets, each=keep)
    verify(
        config,
        engine,
        experiments=settings.experiments,
        block=settings.block,
        weights=settings.weights,
        state=state,
        each=keep,
    )

    for found in state.port_mismatches:
        console.print(f"host port, {found}", markup=False, soft_wrap=True)
    for mismatch in state.mismatches:
        _report(mismatch, settings, console)
    for mismatch in state.mismatches[:_SHRUNK]:
        small = smallest(config, engine, mismatch, lambda size: advance(f"shrinking: {size}", state.done, goal))
        if small is not mismatch:
            _report(small, settings, console, listed=True)
    print_table(console, "functional coverage", state.coverage.table(detail))
    _print_holes(console, "bins", state.coverage.holes)
    outcome = Outcome(state, CodeCoverage.read(counts) if counts is not None else None)
    if outcome.code is not None:
        print_table(console, f"code coverage: {outcome.code.summary}", outcome.code.table())
        _print_holes(console, "lines and toggles", [str(point) for point in outcome.code.holes])
    console.print(
        f"{counted(state.done, 'experiment')} on {settings.preset} (seed {state.seed}, {state.closed_loops} with "
        "closed loops), "
        f"{counted(state.cycles, 'program cycle')}, {counted(state.packets, 'packet')} in {state.wall_s:.0f} s\n"
        f"{counted(state.found, 'mismatch', 'mismatches')}, coverage {state.coverage.share:.1%}"
        + ("; interrupted, --resume goes on" if state.interrupted else ""),
        soft_wrap=True,
    )
    if settings.html is not None:
        write_text(settings.html, page(settings.preset, state, outcome.code))
        console.print(f"page: {settings.html}", soft_wrap=True)
    return outcome


def _print_holes(console: Console, what: str, holes: Sequence[str]) -> None:
    if holes:
        more = f", and {len(holes) - _HOLES} more (--html shows all)" if len(holes) > _HOLES else ""
        console.print(f"{len(holes)} {what} without a hit: {', '.join(holes[:_HOLES])}{more}", soft_wrap=True)


def _load(settings: Settings) -> Verification:
    json_file, name, seed = settings.json_file, settings.preset, settings.seed
    if json_file is None or not json_file.is_file():
        raise StateError("there is nothing to resume: --resume goes on with the file that --json names")
    try:
        values = from_json(json_file.read_text())
        known = values["format"], values["preset"], values["seed"]
        state = Verification.from_json(preset(name), values)
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(f"{json_file} is no verification ({type(error).__name__}: {error}); start a new one") from None
    if known != (_FORMAT, name, seed):
        raise StateError(f"{json_file} is a verification of {known[1]} with seed {known[2]}; resume it with the same")
    return state


def _report(mismatch: Mismatch, settings: Settings, console: Console, *, listed: bool = False) -> None:
    """Print a mismatch and save its session; the shrunk one takes the place of the big one."""
    seed, folder = settings.seed, settings.folder
    console.print(f"random {seed}/{mismatch.number}: {mismatch.difference}", markup=False, soft_wrap=True)
    if listed:
        console.print(listing(mismatch.session[-1]), markup=False)
    if folder is not None and mismatch.session:
        many = len(mismatch.session) > 1
        for index, experiment in enumerate(mismatch.session):
            part = f"-{index:03}" if many else ""
            path = folder / f"{seed}-{mismatch.number}{part}.npz"
            experiment.save(path)
        console.print(f"saved as {path}" + (", with the session before it" if many else ""), soft_wrap=True)


def listing(experiment: Experiment) -> str:
    """Assembly of every unit, each under a line ``== UNIT ==``."""
    programs = (f"== {unit} ==\n{disassemble(words, unit.kind)}" for unit, words in experiment.units.items())
    return "\n".join([f"# {experiment.name}: {counted(experiment.cycles, 'cycle')}", *programs])


def replay(paths: Sequence[Path], console: Console) -> bool:
    """Perform saved experiments in one session, in this order; whether the RTL agrees with the golden model."""
    experiments = [Experiment.load(path) for path in paths]
    config = experiments[0].config
    _, found = compare(config, RtlEngine(config), experiments)
    for path, difference in zip(paths, found, strict=True):
        console.print(f"{path}: {difference or 'no difference'}", soft_wrap=True)
    return not any(found)
