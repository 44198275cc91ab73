"""What a keyword-spotting run found out: numbers for machines, a table and pictures for people."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analog_models.config import AnalogConfig
from cosim.engines.results import describe_speed
from cosim.files.archive import write_text
from cosim.files.json_text import to_json
from cosim.files.printing import print_table
from cosim.files.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "ISO_SHARE",
    "PAPER_CHIP_ACCURACY",
    "PAPER_SOFTWARE_ACCURACY",
    "KwsReport",
    "RunReport",
    "correlation",
    "draw_confusion",
    "draw_correlation",
    "rms_error_percent",
]

#: Nature 620, 768 (2023), Fig. 3: accuracies on the paper's own test set and weights.
PAPER_SOFTWARE_ACCURACY = 0.8675
PAPER_CHIP_ACCURACY = 0.8614
#: A chip is software-equivalent from this share of the software accuracy on (MLPerf; same source).
ISO_SHARE = 0.99


def correlation(a: NDArray, b: NDArray) -> float:
    """Pearson's r over all entries of two arrays of one shape; NaN where one of them is constant."""
    a, b = (np.asarray(x, dtype=np.float64).ravel() - np.mean(x) for x in (a, b))
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else float("nan")


def confusion_matrix(labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Decisions by what was spoken and what was heard: (classes, classes), of (clips,) and (..., clips)."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (np.broadcast_to(labels, predictions.shape), predictions), 1)
    return matrix


def rms_error_percent(chip: NDArray, software: NDArray) -> float:
    """Root-mean-square error of a layer's outputs in % of the full scale, over those that software finds in range.

    Parameters
    ----------
    chip, software : arrays of one shape
        In units of the full scale. Where software is 0 or beyond the full scale, the readout hides the MAC: a ReLU's
        negative ones would dilute the error with exact zeros.
    """
    seen = (software != 0) & (np.abs(software) < 1)
    return 100 * float(np.sqrt(np.mean((chip[seen] - software[seen]) ** 2))) if seen.any() else float("nan")


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What every run tells, whatever it classified.

    Parameters
    ----------
    engine : str
        What produced the codes.
    data : str
        What was classified.
    seed : int
        Seed of the chip: programming, mismatch, noise.
    analog : AnalogConfig
        Constants of its analog part.
    words : class names, in the order of the outputs.
    frame_ns, cycles, wall_s, parts_s : timing of the frame and of the run; no cycles if the engine simulates none.
    compared_codes : codes that a second engine has given as well; 0 if none ran.
    remarks : what a reader should know of the data.
    """

    engine: str
    data: str
    seed: int
    analog: AnalogConfig
    words: Sequence[str]
    frame_ns: int
    cycles: int | None
    wall_s: float
    parts_s: Mapping[str, float]
    compared_codes: int = 0
    remarks: Sequence[str] = ()

    @property
    def frames(self) -> int:
        """Frames that the chip ran."""
        raise NotImplementedError

    def to_json(self, files: Mapping[str, str]) -> dict[str, Any]:
        """The documented keys (see docs/kws.md) that all reports share."""
        preset, changed = self.analog.origin()
        return {
            "engine": self.engine,
            "data": self.data,
            "seed": self.seed,
            "devices": self.analog.devices,
            "analog": {"preset": preset, "changed": changed},
            "frame_ns": self.frame_ns,
            "cycles": self.cycles,
            "wall_s": self.wall_s,
            "parts_s": dict(self.parts_s),
            "cycles_per_s": self.cycles / self.wall_s if self.cycles else None,
            "frames_per_s": self.frames / self.wall_s,
            "compared_codes": self.compared_codes,
            "remarks": list(self.remarks),
            "words": list(self.words),
            "files": dict(files),
        }

    def print_run(self, console: Console, rows: Iterable[tuple[str, str]]) -> None:
        """Print figures, {what, how much}, and after them those of the run; first of all the remarks."""
        figures = Table(box=None, pad_edge=False, show_header=False)
        figures.add_column(style="bold")
        figures.add_column()
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.parts_s.items())
        speed = describe_speed(self.wall_s, frames=self.frames, cycles=self.cycles) + (f" ({parts})" if parts else "")
        run = (
            ("frame", f"{self.frame_ns} ns on the chip"),
            ("chip", f"seed {self.seed}, devices of model {self.analog.devices}"),
            ("constants", self.analog.describe()),
            ("simulation", speed),
        )
        for what, text in (*rows, *run):
            figures.add_row(what, text)
        console.print()
        for remark in self.remarks:
            console.print(Text.assemble(("note: ", "bold yellow"), remark), soft_wrap=True)
        console.print(figures)

    def write_json(self, path: Path, files: Mapping[str, str]) -> None:
        """Write `to_json` into a file."""
        write_text(path, to_json(self.to_json(files), indent=2) + "\n")


@dataclass(frozen=True, kw_only=True)
class KwsReport(RunReport):
    """One run over a set of clips; the other parameters are those of `RunReport`.

    Parameters
    ----------
    clips : name of each clip.
    labels, predictions, software : (N,) class indices: truth, chip, software reference.
    outputs : (N, 12) output codes of the chip.
    layers : layer name -> (chip, software fed with the chip's own layer input, software end to end), each (N, width),
        in units of the layer's full scale.
    """

    clips: Sequence[str]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    software: NDArray[np.int64]
    outputs: NDArray[np.uint8]
    layers: Mapping[str, tuple[NDArray, NDArray, NDArray]]

    @property
    def frames(self) -> int:
        return len(self.clips)

    @property
    def chip_accuracy(self) -> float:
        return float(np.mean(self.predictions == self.labels))

    @property
    def software_accuracy(self) -> float:
        return float(np.mean(self.software == self.labels))

    @property
    def margins(self) -> NDArray[np.int64]:
        """(N,) distance in codes between the chip's largest output and the next one."""
        top = np.sort(self.outputs.astype(np.int64), axis=1)
        return top[:, -1] - top[:, -2]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(classes, classes) clips by what was spoken and what the chip heard."""
        return confusion_matrix(self.labels, self.predictions, len(self.words))

    def to_json(self, files: Mapping[str, str]) -> dict[str, Any]:
        """The documented keys (see docs/kws.md)."""
        return {
            **super().to_json(files),
            "clips": len(self.clips),
            "accuracy": {"software": self.software_accuracy, "chip": self.chip_accuracy},
            "iso_ratio": self.chip_accuracy / self.software_accuracy if self.software_accuracy else None,
            "correlation": {name: correlation(chip, own) for name, (chip, own, _) in self.layers.items()},
            "correlation_end_to_end": {name: correlation(chip, end) for name, (chip, _, end) in self.layers.items()},
            "predictions": self.predictions.tolist(),
            "labels": self.labels.tolist(),
        }

    def print(self, console: Console, *, rows: int = 80) -> None:
        """Table of clips (of the misclassified ones where there are more than `rows`), then the figures."""
        chosen = list(range(len(self.clips)))
        title = "Every clip"
        if len(chosen) > rows:
            wrong = np.flatnonzero(self.predictions != self.labels).tolist()
            chosen, title = wrong[:rows], f"{min(rows, len(wrong))} of {counted(len(wrong), 'misclassified clip')}"
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("clip", "expected", "chip", "software"):
            table.add_column(heading)
        table.add_column("margin (codes)", justify="right")
        for i in chosen:
            chip = self.words[self.predictions[i]]
            style = "" if self.predictions[i] == self.labels[i] else "red"
            table.add_row(
                Text(self.clips[i]),
                self.words[self.labels[i]],
                Text(chip, style=style),
                self.words[self.software[i]],
                str(self.margins[i]),
            )
        print_table(console, title, table)
        self._print_figures(console)

    def _print_figures(self, console: Console) -> None:
        software = f"{self.software_accuracy:.2%}"
        if self.software_accuracy:
            software += f"; the chip reaches {self.chip_accuracy / self.software_accuracy:.2%} of it"
        rows = [
            ("accuracy, chip", f"{self.chip_accuracy:.2%} of {counted(len(self.clips), 'clip')} ({self.data})"),
            ("accuracy, software", software),
            (
                "the paper's, on its data",
                f"chip {PAPER_CHIP_ACCURACY:.2%}, software {PAPER_SOFTWARE_ACCURACY:.2%}, "
                f"iso limit {ISO_SHARE:.0%} of software",
            ),
        ]
        for name, (chip, own, end) in self.layers.items():
            rows.append(
                (
                    f"correlation, {name}",
                    f"{correlation(chip, own):.4f} (software fed with the chip's own input); "
                    f"{correlation(chip, end):.4f} end to end",
                )
            )
        if ties := int((self.margins == 0).sum()):
            rows.append(("ties", f"in {counted(ties, 'clip')} two outputs of the chip are equal; the first one counts"))
        self.print_run(console, rows)

    def pictures(self, folder: Path) -> dict[str, tuple[Path, Callable[[Path], None]]]:
        """Pictures in `folder`: {what: (file, how to write it)}."""
        from cosim.files.plotting import write_picture  # only now, as below

        def confusion(path: Path) -> None:
            title = f"{self.chip_accuracy:.1%} of {counted(len(self.clips), 'clip')}, {self.engine} engine"
            write_picture(draw_confusion(self.confusion, self.words, title), path)

        def correlation(path: Path) -> None:
            layers = {name: pair[:2] for name, pair in self.layers.items()}
            write_picture(draw_correlation(layers, self.engine), path)

        return {
            "confusion_matrix": (folder / "confusion.png", confusion),
            "correlation": (folder / "correlation.png", correlation),
        }


def draw_confusion(matrix: NDArray[np.int64], words: Sequence[str], title: str) -> "Figure":
    """Confusion matrix (spoken, heard), each row coloured by its shares."""
    from cosim.files.plotting import new_figure  # drawing takes a library that a run without pictures need not wait for

    figure, axes = new_figure(6.4, 5.8)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(matrix > 0):
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(words)), words, rotation=45, ha="right")
    axes.set_yticks(range(len(words)), words)
    axes.set_xlabel("the chip heard")
    axes.set_ylabel("spoken")
    axes.set_title(title, fontsize=10)
    return figure


def draw_correlation(layers: Mapping[str, tuple[NDArray, NDArray]], engine: str) -> "Figure":
    """Chip against software for every layer: name -> (chip, software fed with the chip's own input), one shape each."""
    from matplotlib.colors import LogNorm

    from cosim.files.plotting import new_figure

    figure, all_axes = new_figure(4.0 * len(layers), 4.2, columns=len(layers), squeeze=False)
    images = []
    for axes, (name, (chip, own)) in zip(all_axes[0], layers.items(), strict=True):
        x, y = own.ravel(), chip.ravel()
        low = min(x.min(), y.min())
        images.append(axes.hexbin(x, y, gridsize=70, mincnt=1, cmap="viridis", extent=(low, 1, low, 1)))
        axes.plot([low, 1], [low, 1], color="black", linewidth=0.7)
        axes.set_title(f"{name}: r = {correlation(chip, own):.4f}", fontsize=10)
        axes.set_xlabel("software, fed with the chip's input")
    all_axes[0, 0].set_ylabel(f"chip ({engine} engine), full scale = 1")
    # Outputs beyond the frame are in no hexagon.
    most = max(float(np.max(np.asarray(image.get_array()), initial=2)) for image in images)
    counts = LogNorm(1, most)
    for image in images:
        image.set_norm(counts)
    figure.colorbar(images[-1], ax=all_axes[0], label="outputs in a hexagon")
    return figure
