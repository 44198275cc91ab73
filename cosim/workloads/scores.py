"""What a comparison of engines found out, in the figures of its task: JSON for machines, tables for people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cosim.engines.twin.session import MVM_INTEGRATIONS
from cosim.files.archive import write_text
from cosim.files.json_text import to_json
from cosim.files.printing import print_table
from cosim.files.wording import counted
from cosim.workloads.comparison import Comparison, Result
from cosim.workloads.resampling import CONFIDENCE

__all__ = ["Score", "ScoreReport"]


@dataclass(frozen=True)
class Score:
    """One figure of a task.

    Parameters
    ----------
    key : str
        In JSON: "wer".
    words : str
        For people: "word error rate".
    figure : callable (results) -> float
    interval : callable (results) -> (float, float)
        How well the figure is known, the samples being as few as they are.
    """

    key: str
    words: str
    figure: Callable[[Sequence[Result]], float]
    interval: Callable[[Sequence[Result]], tuple[float, float]]


@dataclass(frozen=True)
class ScoreReport:
    """A comparison of engines with its figures.

    Parameters
    ----------
    comparison : Comparison
    scores : sequence of Score
    data : str
        What was judged.
    seed : int
        Of the choice of samples.
    remarks : sequence of str
        What a reader should know of the data.
    details : mapping
        What else JSON shall have.
    notes : sequence of (str, str)
        What else people shall read, {what, how much}.
    """

    comparison: Comparison
    scores: Sequence[Score]
    data: str
    seed: int
    remarks: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[tuple[str, str]] = ()

    def to_json(self) -> dict[str, Any]:
        """Every figure by engine, with intervals; each noisy chip's in `variants`."""
        comparison, settings = self.comparison, self.comparison.settings
        return {
            "engine": settings.engine,
            "data": self.data,
            "seed": self.seed,
            "devices": settings.analog.devices,
            "chips": list(settings.seeds) if comparison.chips else [],
            "aged_s": settings.aged_s,
            "recalibrated": settings.recalibrated,
            "only": settings.only,
            **{score.key: comparison.figures(score.figure) for score in self.scores},
            "variants": {
                name: {
                    **{score.key: score.figure(variant.results) for score in self.scores},
                    "intervals": {score.key: score.interval(variant.results) for score in self.scores},
                    "wall_s": variant.wall_s,
                    "compared_codes": variant.compared_codes,
                    "cycles": variant.cycles,
                    "spent_s": dict(variant.spent_s),
                    "mvms": variant.integrations / MVM_INTEGRATIONS,
                    "twin_s": variant.twin_s,
                    "frames": variant.frames,
                    "reference_frames": variant.reference_frames,
                    "errors": [asdict(error) for error in variant.errors],
                }
                for name, variant in comparison.variants.items()
            },
            "remarks": list(self.remarks),
            **self.details,
        }

    def write_json(self, path: Path) -> None:
        """Write `to_json` into a file."""
        write_text(path, to_json(self.to_json(), indent=2) + "\n")

    def print(self, console: Console) -> None:
        """Figures of every variant, then errors by matrix, then notes."""
        settings = self.comparison.settings
        for remark in self.remarks:
            console.print(Text.assemble(("note: ", "bold yellow"), remark), soft_wrap=True)
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("")
        for score in self.scores:
            table.add_column(f"{score.words} ({100 * CONFIDENCE:.0f} % interval)")
        table.add_column("s", justify="right")
        for name, variant in self.comparison.variants.items():
            figures = [
                _with_interval(score.figure(variant.results), *score.interval(variant.results)) for score in self.scores
            ]
            table.add_row(self._described(name), *figures, f"{variant.wall_s:.0f}")
        print_table(console, self.data, table)
        self._print_errors(console)
        notes = Table(box=None, pad_edge=False, show_header=False)
        notes.add_column(style="bold")
        notes.add_column()
        for what, text in self.notes:
            notes.add_row(what, text)
        if compared := sum(variant.compared_codes for variant in self.comparison.variants.values()):
            notes.add_row("compared", f"{counted(compared, 'code')} of both engines, all identical{self._on_rtl()}")
        if cycles := sum(variant.cycles for variant in self.comparison.variants.values()):
            notes.add_row("simulated", f"{counted(cycles, 'cycle')} of the RTL, {self._spent()}")
        if twin_s := sum(variant.twin_s for variant in self.comparison.variants.values()):
            mvms = sum(variant.integrations for variant in self.comparison.variants.values()) / MVM_INTEGRATIONS
            rate = f"{mvms / twin_s:,.0f} a second"
            notes.add_row("twin", f"{mvms:,.0f} MVMs of a tile in {twin_s:,.1f} s of a core, {rate}")
        if self.comparison.chips:
            age = "" if settings.aged_s is None else f", read after {settings.aged_s:,.0f} s"
            again = ", calibrated again" if settings.recalibrated else ""
            notes.add_row("chips", f"devices of model {settings.analog.devices}{age}{again}")
        if settings.only != "*":
            notes.add_row("only", f"{settings.only} on chips, all other matrices in float")
        console.print()
        console.print(notes)

    def _on_rtl(self) -> str:
        """Which part of the frames the RTL ran, if not all."""
        ours, theirs = (
            sum(getattr(chip, what) for chip in self.comparison.chips) for what in ("frames", "reference_frames")
        )
        return (
            f"; the RTL ran {ours:,} of {counted(theirs, 'frame')}, the others the twin alone" if ours < theirs else ""
        )

    def _spent(self) -> str:
        """CPU time of all simulators, and what it went into by the clock."""
        parts: dict[str, float] = {}
        for variant in self.comparison.variants.values():
            for part, seconds in variant.spent_s.items():
                parts[part] = parts.get(part, 0.0) + seconds
        cpu, whole = parts.pop("cpu"), sum(parts.values())
        return f"{cpu:.0f} s of CPU: {', '.join(f'{part} {seconds / whole:.0%}' for part, seconds in parts.items())}"

    def _described(self, name: str) -> str:
        if not name.startswith("chip "):
            return {"software": "software (float32)", "ideal": "chips without noise"}[name]
        return f"noisy chips, seed {name.removeprefix('chip ')}"

    def _print_errors(self, console: Console) -> None:
        """Root of square error over square of every matrix's outputs: its own, and what has come together there."""
        watched = {name: variant.errors for name, variant in self.comparison.variants.items() if variant.errors}
        if not watched:
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("")
        for name in watched:
            table.add_column(f"{name}: own", justify="right")
            table.add_column("total", justify="right")
        for errors in zip(*watched.values(), strict=True):
            cells = [f"{value:.3f}" for error in errors for value in (error.own, error.total)]
            table.add_row(errors[0].node, *cells)
        console.print()
        print_table(console, "Errors by matrix", table)


def _with_interval(figure: float, low: float, high: float) -> str:
    return f"{100 * figure:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
