"""What a run gives back, whichever engine ran it; how two runs differ, and how the parts of one become one again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.npz import ArraySpec, check_arrays
from analog_models.values import whole_number
from cosim.files.archive import load_archive, write_archive
from cosim.files.errors import UserError
from cosim.files.typed import typed
from cosim.program import LayerPlan, Program

__all__ = ["Results", "ResultsError", "describe_speed"]

_FORMAT, _VERSION = "duramesh results", 1
#: Statistics with this ending are rates over `wall_s`.
_RATE = "_per_s"


class ResultsError(UserError, ValueError):
    """A file holds no results, or only part of them, or results do not belong together; the message says which."""


@dataclass(frozen=True)
class Results:
    """OLP codes of every output, and how the run went.

    Parameters
    ----------
    engine : str
        `rtl` or `twin`.
    codes : mapping of str to (frames, width) uint8
        By output: `layer0`, `layer1`, ...; the last one is the network's output.
    layers : tuple of LayerPlan
        Scales of the program that ran.
    frame_cycles : int
        Period of a frame; a cycle is 1 ns.
    first_frame : int
        Number of the first frame; it keys the noise.
    statistics : mapping
        What the engine measured: `frames`, `wall_s` and its parts; `cycles`, if it simulates any.
    """

    engine: str
    codes: Mapping[str, NDArray[np.uint8]]
    layers: tuple[LayerPlan, ...]
    frame_cycles: int
    first_frame: int = 0
    statistics: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, engine: str, program: Program, codes: Mapping[str, NDArray[np.uint8]], **rest: Any) -> "Results":
        """Results of a run of `program`."""
        return cls(engine, codes, program.layers, program.frame_cycles, **rest)

    @classmethod
    def joined(cls, parts: Sequence["Results"]) -> "Results":
        """One run from its parts, in the order of their frames; statistics are added up, rates computed anew.

        Raises
        ------
        ResultsError
            If there are no parts, a part does not begin where the one before it ends, or has other outputs.
        """
        if not parts:
            raise ResultsError("no parts to join; expected at least one")
        first, *rest = parts
        end = first.first_frame + first.frames
        for part in rest:
            if part.first_frame != end or part.codes.keys() != first.codes.keys():
                raise ResultsError(
                    f"a part with {', '.join(part.codes)} from frame {part.first_frame} on does not continue one with "
                    f"{', '.join(first.codes)} up to frame {end - 1}"
                )
            end += part.frames
        return cls(
            first.engine,
            {name: np.concatenate([part.codes[name] for part in parts]) for name in first.codes},
            first.layers,
            first.frame_cycles,
            first.first_frame,
            _added([part.statistics for part in parts]),
        )

    @property
    def frames(self) -> int:
        """Frames that were finished."""
        return len(next(iter(self.codes.values()))) if self.codes else 0

    @property
    def code_count(self) -> int:
        """Codes of all outputs and frames."""
        return sum(codes.size for codes in self.codes.values())

    @property
    def output(self) -> NDArray[np.uint8]:
        """Codes of the network's output, (frames, width)."""
        return self.codes[self.layers[-1].name]

    def values(self, name: str) -> NDArray[np.float64]:
        """An output in units of its layer's full scale: (frames, width), 0 to 1 for relu, -1 to 1 for linear."""
        plan = next((layer for layer in self.layers if layer.name == name), None)
        if plan is None or name not in self.codes:
            raise KeyError(f"no output {name!r}; there are: {', '.join(self.codes)}")
        return plan.value(self.codes[name])

    @property
    def predictions(self) -> NDArray[np.intp]:
        """Index of the largest output of each frame; the first one where several are equal."""
        return self.output.argmax(axis=1)

    def difference(self, other: "Results", names: Sequence[str] = ()) -> str | None:
        """The first code in which another run of the same frames differs, in words; None if there is none.

        The earliest frame comes first, and in it the earliest layer: the one that later differences follow from.

        Parameters
        ----------
        other : Results
        names : sequence of str
            What the frames are, from frame 0 on, e.g. names of clips.
        """
        ours, theirs = _outline(self), _outline(other)
        if ours != theirs:
            return f"not the same outputs: {ours} ({self.engine}), {theirs} ({other.engine})"
        wrong = {name: codes != other.codes[name] for name, codes in self.codes.items()}
        total = sum(int(differs.sum()) for differs in wrong.values())
        if not total:
            return None
        at = min(int(differs.any(axis=1).argmax()) for differs in wrong.values() if differs.any())
        name = next(name for name, differs in wrong.items() if differs[at].any())
        column = int(wrong[name][at].argmax())
        frame = self.first_frame + at
        clip = f"clip {names[frame]!r}, " if frame < len(names) else ""
        tile = next((f" (tile {plan.reader})" for plan in self.layers if plan.name == name), "")
        return (
            f"{clip}frame {frame}, {name}{tile}, column {column}: "
            f"{self.codes[name][at, column]} ({self.engine}), {other.codes[name][at, column]} ({other.engine}); "
            f"{total:,} of {self.code_count:,} codes differ in all"
        )

    def save(self, path: Path) -> None:
        """Write the results to an npz file without pickle, whole or not at all."""
        meta = {
            "engine": self.engine,
            "layers": [asdict(layer) for layer in self.layers],
            "frame_cycles": self.frame_cycles,
            "first_frame": self.first_frame,
            "statistics": {k: v for k, v in self.statistics.items() if isinstance(v, int | float | str)},
            "outputs": list(self.codes),
        }
        arrays = {f"codes {name}": codes for name, codes in self.codes.items()}
        write_archive(path, _FORMAT, _VERSION, meta, arrays, compress=False)

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read what `save` wrote.

        Raises
        ------
        ResultsError
            If the file holds no results, is damaged, or was written by another version.
        FileNotFoundError
        """
        return load_archive(path, _FORMAT, _VERSION, _from_parts, ResultsError)


@dataclass(frozen=True)
class _Header:
    """What a file has of results beside codes."""

    engine: str
    layers: tuple[LayerPlan, ...]
    frame_cycles: int
    first_frame: int
    statistics: Mapping[str, int | float | str | None]
    outputs: tuple[str, ...]


def _from_parts(meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Results:
    header = typed(_Header, meta)
    widths = {layer.name: layer.outputs for layer in header.layers}
    check_arrays(arrays, {f"codes {name}": ArraySpec("u1", ("frames", widths.get(name))) for name in header.outputs})
    whole_number(header.first_frame, "first_frame", 0, (1 << 63) - 1)
    return Results(
        engine=header.engine,
        codes={name: arrays[f"codes {name}"] for name in header.outputs},
        layers=header.layers,
        frame_cycles=header.frame_cycles,
        first_frame=header.first_frame,
        statistics=header.statistics,
    )


def describe_speed(wall_s: float, *, frames: int, cycles: int | None = None) -> str:
    """How fast a run was, in words: cycles only of an engine that simulates them."""
    simulated = f"{cycles:,} cycles in {wall_s:.1f} s: {cycles / wall_s:,.0f} cycles/s" if cycles else f"{wall_s:.1f} s"
    return f"{simulated}, {frames / wall_s:,.1f} frames/s"


def _outline(results: Results) -> str:
    """Which codes there are, in words."""
    outputs = ", ".join(f"{name} {codes.shape[1]} wide" for name, codes in results.codes.items())
    return f"frames {results.first_frame} to {results.first_frame + results.frames - 1} of {outputs or 'nothing'}"


def _added(statistics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums of what is counted or timed, rates over the summed `wall_s`, the first of all that is no number."""
    total: dict[str, Any] = {}
    for part in statistics:
        for name, value in part.items():
            number = isinstance(value, int | float)
            total[name] = total[name] + value if number and name in total else total.get(name, value)
    for name in total:
        if name.endswith(_RATE) and name.removesuffix(_RATE) in total:
            total[name] = total[name.removesuffix(_RATE)] / total["wall_s"]
    return total
