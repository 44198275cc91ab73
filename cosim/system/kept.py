"""Results of samples in the folder of a run, kept as they come: what is there is not run again.

::

    samples/00000012-0007.npz     arrays of some samples, named by the first and how many they are

A file appears whole or not at all, so a killed process loses no more than what it had not written yet.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self, TypeAlias

from numpy.typing import NDArray

from cosim.files.archive import ArchiveError, read_arrays, write_arrays
from cosim.graph.graph import Walk
from cosim.system.checkpoint import Checkpoint
from cosim.system.layer_errors import LayerErrors

__all__ = ["KeptSamples", "Result", "resumed"]

#: What a sample gave, as arrays by name, so that a file can hold it.
Result: TypeAlias = Mapping[str, NDArray]

#: A file is written after so many samples, or so many seconds.
_MOST, _SECONDS = 64, 20.0
#: What an array is, after the sample's number.
_OUTPUT, _ERROR = "output", "error"


class KeptSamples:
    """Results by sample; a context manager that writes what is left when it ends, however that is.

    Parameters
    ----------
    folder : Path
        Of a claimed `Checkpoint`, or a part of it.
    clock : callable
        Seconds.

    Members
    -------
    found : dict of int to mapping of str to array
        Result of samples that earlier runs have done.
    errors : dict of int to mapping of str to array
        What `LayerErrors` added up for them, where it watched.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._fresh: dict[int, dict[str, NDArray]] = {}
        self._written = clock()
        self.found: dict[int, dict[str, NDArray]] = {}
        self.errors: dict[int, dict[str, NDArray]] = {}
        for path in sorted(folder.glob("*.npz")):
            try:
                arrays = read_arrays(path, "results of samples")
            except ArchiveError:
                continue  # damaged: these samples are run again
            for key, array in arrays.items():
                sample, kind, name = key.split(" ", 2)
                {_OUTPUT: self.found, _ERROR: self.errors}[kind].setdefault(int(sample), {})[name] = array

    def keep(self, sample: int, outputs: Mapping[str, NDArray], errors: Mapping[str, NDArray]) -> None:
        """Take the result of a sample."""
        self._fresh[sample] = {f"{_OUTPUT} {name}": array for name, array in outputs.items()}
        self._fresh[sample] |= {f"{_ERROR} {node}": sums for node, sums in errors.items()}
        if len(self._fresh) >= _MOST or self._clock() - self._written > _SECONDS:
            self._write()

    def _write(self) -> None:
        if self._fresh:
            first = min(self._fresh)
            arrays = {f"{sample} {name}": array for sample, own in self._fresh.items() for name, array in own.items()}
            write_arrays(self._folder / f"{first:08d}-{len(self._fresh):04d}.npz", arrays)
            self._fresh = {}
        self._written = self._clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()


def resumed(
    samples: int,
    walk: Callable[[int], Walk[Result]],
    run: Callable[[Iterable[tuple[int, Walk[Result]]]], Iterable[tuple[int, Result]]],
    *,
    checkpoint: Checkpoint | None = None,
    errors: LayerErrors | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """Results of all samples: those that a checkpoint has, and of the others' walks; these are kept there.

    Parameters
    ----------
    samples : int
    walk : callable (sample) -> walk
    run : callable (numbered walks) -> numbered results
        It is not called if nothing is missing.
    checkpoint : Checkpoint, optional
        Claimed here.
    errors : LayerErrors, optional
        What watches the walks; what was kept of earlier ones is added.
    progress : callable (samples done, all), optional

    Raises
    ------
    CheckpointError
        If the folder belongs to another run.
    """
    found: dict[int, Result] = {}
    with ExitStack() as stack:
        kept = None
        if checkpoint is not None:
            folder = stack.enter_context(checkpoint).folder
            kept = stack.enter_context(KeptSamples(folder / "samples"))
            found |= {number: outputs for number, outputs in kept.found.items() if number < samples}
            if errors is not None:
                for number, sums in kept.errors.items():
                    errors.take(number, sums)
        missing = [number for number in range(samples) if number not in found]
        for number, outputs in run((number, walk(number)) for number in missing) if missing else ():
            found[number] = outputs
            if kept is not None:
                kept.keep(number, outputs, {} if errors is None else errors.of(number))
            if progress is not None:
                progress(len(found), samples)
    return [found[number] for number in range(samples)]
