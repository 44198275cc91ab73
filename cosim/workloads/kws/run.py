"""A run of keyword spotting from its settings: which clips, which chip, what runs it, and what is kept of it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from analog_models.config import AnalogConfig
from cosim.calibration import CalibratedChip
from cosim.compiler import MappingOptions
from cosim.engines.checked import CheckedEngine
from cosim.engines.engine import Engine
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine
from cosim.system.checkpoint import CHUNK, Checkpoint, ResumableEngine
from cosim.workloads.kws.model import CHECKPOINT, KwsModel
from cosim.workloads.kws.report import KwsReport
from cosim.workloads.kws.workload import ClipSet, calibration_clips, classify, describe_run, load_clips, prepare_chip

__all__ = ["Display", "Run", "Settings", "prepared"]


class Display(Protocol):
    """Where a run says what it does; called with the words for what begins."""

    def __call__(self, text: str) -> None: ...

    def advance(self, done: int, total: int) -> None:
        """How far it is."""

    def paused(self) -> AbstractContextManager[None]:
        """While something else, such as a build, has a display of its own."""


@dataclass(frozen=True)
class Settings:
    """What is run.

    Parameters
    ----------
    engine : str
        "rtl", "twin", or "both": the RTL, every code compared with the twin's.
    audio, features : Path, optional
        As `load_clips` and `calibration_clips` take them.
    clips : int, optional
        Classify so many.
    seed : int
        Which chip, and which clips.
    ideal : bool
        Analog part without noise or mismatch.
    devices : str
        Model of the PCM devices, of `DEVICE_MODELS`.
    overlapped : bool
        As of `MappingOptions`.
    model : Path, optional
        By default the shipped network.
    waves : Path, optional
        As of `RtlEngine`.
    checkpoint : Path, optional
        Folder in which results are kept as they come, `chunk` clips at once, and from which the run goes on.
    """

    engine: str = "rtl"
    audio: Path | None = None
    features: Path | None = None
    clips: int | None = None
    seed: int = 0
    ideal: bool = False
    devices: str = "pcm"
    overlapped: bool = False
    model: Path | None = None
    waves: Path | None = None
    checkpoint: Path | None = None
    chunk: int = CHUNK

    @property
    def analog(self) -> AnalogConfig:
        """Constants of the chip's analog part."""
        return (AnalogConfig.ideal if self.ideal else AnalogConfig.nominal)(self.devices)

    @property
    def mapping(self) -> MappingOptions:
        """How the network is put on the chip."""
        return MappingOptions(overlapped=self.overlapped)


@dataclass
class Run:
    """A run whose clips are read and whose chip is made: see `prepared`.

    Members
    -------
    notes : list of str
        For a reader of the report: how the chip came about and, once the clips are classified, how that went.
    waves : Path or None
        Where the engine writes its trace.
    """

    settings: Settings
    network: KwsModel
    clips: ClipSet
    chip: CalibratedChip
    display: Display
    checkpoint: Checkpoint | None
    notes: list[str] = field(default_factory=list)
    waves: Path | None = None

    def classify(self) -> KwsReport:
        """Run the clips on the chip.

        Raises
        ------
        DatasetError
            If there are no clips.
        KeyboardInterrupt
            On Ctrl-C; with a checkpoint, what is done is kept.
        """
        engine = self._resumable(self.checkpoint) if self.checkpoint else self._start()
        self.display(f"classifying {len(self.clips)} clips")
        report = classify(
            self.network, self.clips, self.chip, engine, seed=self.settings.seed, progress=self.display.advance
        )
        if isinstance(engine, ResumableEngine) and engine.found:
            self.notes.append(
                f"resumed:    {engine.found} of {len(self.clips)} clips were done in {self.settings.checkpoint}"
            )
        if self.settings.engine == "both":
            self.notes.append(f"compared:   {report.compared_codes:,} codes of both engines, all identical")
        return report

    def _resumable(self, checkpoint: Checkpoint) -> ResumableEngine:
        return ResumableEngine(self._start, checkpoint, chunk=self.settings.chunk)

    def _start(self) -> Engine:
        """The engine; the first time, the RTL's builds the simulator."""
        if self.settings.engine == "twin":
            return TwinEngine()
        with self.display.paused():
            rtl = RtlEngine(waves=self.settings.waves)
        self.waves = rtl.waves
        return CheckedEngine(rtl, TwinEngine(), self.clips.names) if self.settings.engine == "both" else rtl


@contextmanager
def prepared(settings: Settings, display: Display) -> Iterator[Run]:
    """Read the clips, and program and calibrate the chip, or take it from the checkpoint.

    The checkpoint is the run's alone until the context is left.

    Raises
    ------
    CheckpointError
        If it is another run's, or in use.
    DatasetError, ArchiveError, MappingError
        From reading the clips and making the chip.
    """
    network = KwsModel.load(settings.model or CHECKPOINT)
    notes: list[str] = []
    with ExitStack() as stack:
        display("reading the clips" if settings.audio else "speaking the clips")
        clips = load_clips(settings.audio, settings.clips, settings.seed)
        make = _chip_maker(settings, network, display, notes)
        checkpoint = None
        if settings.checkpoint:
            described = describe_run(
                network,
                clips,
                engine=settings.engine,
                analog=settings.analog,
                options=settings.mapping,
                seed=settings.seed,
                audio=settings.audio,
                features=settings.features,
            )
            checkpoint = stack.enter_context(Checkpoint(settings.checkpoint, described))
        chip = checkpoint.chip(make) if checkpoint else make()
        notes.insert(0, f"programmed: {chip.programming}")
        yield Run(settings, network, clips, chip, display, checkpoint, notes)


def _chip_maker(
    settings: Settings, network: KwsModel, display: Display, notes: list[str]
) -> Callable[[], CalibratedChip]:
    def make() -> CalibratedChip:
        given = settings.audio or settings.features
        display("reading the calibration clips" if given else "speaking the calibration clips")
        inputs = calibration_clips(settings.audio, settings.features)
        notes.append(f"calibrated: with {len(inputs)} clips, {inputs.source}")
        return prepare_chip(
            network,
            inputs,
            analog=settings.analog,
            options=settings.mapping,
            seed=settings.seed,
            say=display,
            advance=display.advance,
        )

    return make
