"""A run over a data set that survives Ctrl-C and a killed process: what is done is kept in a folder.

::

    checkpoint.json            what determines the codes, in words: the run that this folder belongs to
    chip/                      the calibrated chip
    results/KEY/000000.npz     codes of a chunk of frames, named by its first one

Files appear complete, under their final name. KEY is a digest of the run, the chip's files and the inputs, so codes of
different chips never mix, whatever happened to the folder. A frame's number keys its noise: chunks give the codes of
one run.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache, cached_property, partial
from importlib.resources import files
from pathlib import Path
from types import TracebackType

import numpy as np
import scipy
from filelock import FileLock, Timeout
from numpy.typing import ArrayLike, NDArray

from analog_models.chip import AnalogChip
from cosim.calibration import CalibratedChip
from cosim.engines.engine import Engine, RunInterrupted
from cosim.engines.results import Results, ResultsError
from cosim.files.archive import ArchiveError, remove_parts, write_text
from cosim.files.digest import digest
from cosim.files.errors import OutputError, UserError
from cosim.files.json_text import JsonError, from_json, to_json
from cosim.files.typed import typed
from cosim.program import Program, ProgramError

__all__ = ["CHUNK", "Checkpoint", "CheckpointError", "ResumableEngine", "code_digest"]

#: Frames that are run and kept at once: about ten seconds of the RTL engine, whose start takes one or two.
CHUNK = 256

_FORMAT, _VERSION = "duramesh checkpoint", 1
_ROOMS = ("rtl", "analog_models", "cosim")
_SOURCES = ("*.py", "*.sv", "*.cpp", "*.vlt")


class CheckpointError(UserError, ValueError):
    """A folder holds no checkpoint, that of another run, or is in use; the message says which and what to do."""


@cache
def code_digest() -> str:
    """Digest of all code that a result may depend on, the numerical libraries' versions included."""
    rooms = [Path(str(files(room))) for room in _ROOMS]
    sources = [(path, room) for room in rooms for kind in _SOURCES for path in sorted(room.rglob(kind))]
    libraries = [f"{library.__name__} {library.__version__}" for library in (np, scipy)]
    own = (part for path, room in sources for part in (str(path.relative_to(room.parent)), path.read_bytes()))
    return digest([*libraries, *own])


class Checkpoint:
    """The folder of one run; a context manager that keeps other processes out.

    Parameters
    ----------
    folder : Path
        It is made if it does not exist.
    run : mapping of str to str
        Everything that determines the codes, by name: values for people where they are short, digests elsewhere.

    Raises
    ------
    CheckpointError
        If the folder belongs to another run, another process is at work in it, or it holds something else.
    """

    def __init__(self, folder: Path, run: Mapping[str, str]) -> None:
        self.folder = folder
        self._run = dict(run)
        if folder.exists() and not folder.is_dir():
            raise CheckpointError(f"{folder} is a file; a checkpoint is a folder")
        with _usable(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / ".lock")

    def __enter__(self) -> "Checkpoint":
        with _usable(self.folder / ".lock"):
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise CheckpointError(f"another process is at work in {self.folder}; wait for it, or end it") from None
        try:
            self._claim()
            remove_parts(self.folder)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def _claim(self) -> None:
        """Make the folder this run's, or see that it is."""
        path = self.folder / "checkpoint.json"
        if not path.exists():
            foreign = sorted(item.name for item in self.folder.iterdir() if not item.name.startswith("."))
            if foreign:
                raise CheckpointError(
                    f"{self.folder} holds {foreign[0]}, but no checkpoint.json; expected an empty or a new folder"
                )
            write_text(path, to_json(asdict(_Header(_FORMAT, _VERSION, self._run)), indent=1) + "\n")
            return
        theirs = _read(path)
        changed = [name for name in {**theirs, **self._run} if theirs.get(name) != self._run.get(name)]
        if changed:
            parts = (f"{n} is {theirs.get(n, 'unset')} there and {self._run.get(n, 'unset')} here" for n in changed)
            raise CheckpointError(
                f"{self.folder} belongs to another run: {'; '.join(parts)}. Give another folder, or what that run had"
            )

    def chip(self, make: Callable[[], CalibratedChip]) -> CalibratedChip:
        """The run's chip: as it is kept in the folder, or else from `make`, which is then kept.

        A kept chip that is damaged is made again.
        """
        place = self.folder / "chip"
        try:
            return CalibratedChip.load(place)
        except (ArchiveError, ProgramError, OSError):
            made = make()
        with _usable(place):
            made.save(place)
            return CalibratedChip.load(place)  # what the run goes on with later, and nothing else

    def results(self, codes: NDArray[np.int16]) -> Path:
        """Folder for results of these inputs on the kept chip."""
        with _usable(self.folder):
            chip = [path.read_bytes() for path in sorted((self.folder / "chip").glob("*.npz"))]
            key = digest([to_json(self._run, sort_keys=True), *chip, str(codes.shape), codes.tobytes()])
            place = self.folder / "results" / key
            place.mkdir(parents=True, exist_ok=True)
        return place


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    """What the system refuses there is told as a fault of the checkpoint."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise CheckpointError(
            f"{error.filename or path} cannot be used ({error.strerror or error}); it should be a part of a checkpoint "
            "that this program writes: remove it, or give another folder"
        ) from None


class ResumableEngine:
    """An engine that keeps what it has done in a checkpoint, and does not do it again.

    Parameters
    ----------
    make : callable
        Makes the engine that runs frames that are missing; not called if there are none, for a simulator may take
        minutes to build.
    checkpoint : Checkpoint
        Entered, and with its chip made.
    chunk : int
        Frames that are run and kept at once. It may change between runs.

    Members
    -------
    found : int
        Frames that the last `run` found done.
    """

    def __init__(self, make: Callable[[], Engine], checkpoint: Checkpoint, *, chunk: int = CHUNK) -> None:
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1, got {chunk}")
        self._make, self.checkpoint, self.chunk = make, checkpoint, chunk
        self.found = 0

    @cached_property
    def engine(self) -> Engine:
        """What runs the frames that are missing."""
        return self._make()

    def run(
        self,
        program: Program,
        chip: AnalogChip,
        inputs: ArrayLike,
        *,
        first_frame: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> Results:
        """Run what is missing; parameters as those of the engine, program and chip as in the checkpoint.

        Returns
        -------
        Results
            Of all frames. Statistics are sums over all chunks, whichever process ran them.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C; what the engine has finished is kept.
        """
        codes = program.input_codes(inputs)
        place = self.checkpoint.results(codes)
        kept = _kept(place, first_frame, len(codes), program)
        done = self.found = sum(part.frames for part in kept.values())
        parts, at = [], 0
        while at < len(codes):
            part = kept.get(at)
            if part is None:
                stop = min([at + self.chunk, len(codes), *(start for start in kept if start > at)])
                advance = None if progress is None else _shifted(progress, done, len(codes))
                first = first_frame + at
                run = partial(self.engine.run, program, chip, codes[at:stop], first_frame=first, progress=advance)
                part = _run_and_kept(place / f"{first:06d}.npz", run)
                done += part.frames
            elif progress is not None:
                progress(done, len(codes))
            parts.append(part)
            at += part.frames
        return Results.joined(parts) if parts else self.engine.run(program, chip, codes, first_frame=first_frame)


def _run_and_kept(path: Path, run: Callable[[], Results]) -> Results:
    """A chunk from `run`, in the file `path` as well; of one that is interrupted, what was finished."""
    try:
        part = run()
    except RunInterrupted as interruption:
        finished = interruption.results
        if isinstance(finished, Results) and finished.frames:
            finished.save(path)
        raise
    part.save(path)
    return part


def _kept(place: Path, first_frame: int, frames: int, program: Program) -> dict[int, Results]:
    """The chunks in a folder, by where they begin in the run, as far as they are whole and follow each other."""
    widths = {out.name: out.width for out in program.outputs}
    found: dict[int, Results] = {}
    end = 0
    chunks = [path for path in place.glob("*.npz") if path.stem.isdecimal()]
    for path in sorted(chunks, key=lambda path: int(path.stem)):
        if not path.is_file():
            raise CheckpointError(f"{path} is no file; expected results that a run kept, remove it")
        try:
            part = Results.load(path)
        except ResultsError:
            continue
        at = part.first_frame - first_frame
        shapes = {name: codes.shape for name, codes in part.codes.items()}
        expected = {name: (part.frames, width) for name, width in widths.items()}
        if part.first_frame == int(path.stem) and shapes == expected and end <= at < at + part.frames <= frames:
            found[at] = part
            end = at + part.frames
    return found


def _shifted(progress: Callable[[int, int], None], before: int, total: int) -> Callable[[int, int], None]:
    return lambda done, _: progress(before + done, total)


@dataclass(frozen=True)
class _Header:
    """What `checkpoint.json` holds."""

    format: str
    version: int
    run: Mapping[str, str]


def _read(path: Path) -> Mapping[str, str]:
    """The run that a folder belongs to."""
    try:
        header = typed(_Header, from_json(path.read_bytes()))
        if (header.format, header.version) != (_FORMAT, _VERSION):
            raise JsonError(f"{header.format}, version {header.version}")
    except (OSError, JsonError) as error:
        raise CheckpointError(f"{path} is no checkpoint of this version ({error}); give another folder") from None
    return header.run
