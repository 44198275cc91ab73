"""A run of keyword spotting from its settings: which clips, which chip, what runs it, and what is kept of it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from analog_models.config import AnalogConfig
from cosim.calibration import CalibratedChip
from cosim.compiler import MappingOptions
from cosim.engines.checked import CheckedEngine
from cosim.engines.engine import Engine
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine
from cosim.files.wording import counted
from cosim.system.checkpoint import CHUNK, Checkpoint, ResumableEngine
from cosim.system.reuse import reused
from cosim.workloads.display import Display
from cosim.workloads.kws.model import CHECKPOINT, KwsModel
from cosim.workloads.kws.recording import Recording, RecordingReport, classify_recording
from cosim.workloads.kws.report import KwsReport
from cosim.workloads.kws.workload import (
    ClipSet,
    calibration_clips,
    classify,
    describe_chip,
    describe_run,
    load_clips,
    prepare_chip,
)

__all__ = ["Run", "Settings", "prepared"]


@dataclass(frozen=True)
class Settings:
    """What is run.

    Parameters
    ----------
    engine : str
        "rtl", "twin", or "both": the RTL, every code compared with the twin's.
    audio, features : Path, optional
        As `load_clips` and `calibration_clips` take them.
    recording : Path, optional
        Classify a recording, window by window, instead of clips; `audio` then only calibrates.
    clips : int, optional
        Classify so many.
    seed : int
        Which chip, and which clips.
    analog : AnalogConfig
        Constants of the chip's analog part.
    overlapped : bool
        As of `MappingOptions`.
    model : Path, optional
        By default the shipped network.
    waves, waves_frames
        As of `RtlEngine`.
    checkpoint : Path, optional
        Folder in which results are kept as they come, `chunk` clips at once, and from which the run goes on.
    """

    engine: str = "rtl"
    audio: Path | None = None
    features: Path | None = None
    recording: Path | None = None
    clips: int | None = None
    seed: int = 0
    analog: AnalogConfig = field(default_factory=AnalogConfig)
    overlapped: bool = False
    model: Path | None = None
    waves: Path | None = None
    waves_frames: tuple[int, ...] | None = None
    checkpoint: Path | None = None
    chunk: int = CHUNK

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
    clips: ClipSet | Recording
    chip: CalibratedChip
    display: Display
    checkpoint: Checkpoint | None
    notes: list[str] = field(default_factory=list)
    waves: Path | None = None
    _traced: RtlEngine | None = None

    def classify(self) -> KwsReport | RecordingReport:
        """Run the clips, or the recording's windows, on the chip.

        Raises
        ------
        DatasetError
            If there are no clips.
        KeyboardInterrupt
            On Ctrl-C; with a checkpoint, what is done is kept.
        """
        engine = self._resumable(self.checkpoint) if self.checkpoint else self._start()
        self.display(f"classifying {self._count}")
        seed, progress = self.settings.seed, self._advance
        report: KwsReport | RecordingReport
        if isinstance(self.clips, Recording):
            report = classify_recording(self.network, self.clips, self.chip, engine, seed=seed, progress=progress)
        else:
            report = classify(self.network, self.clips, self.chip, engine, seed=seed, progress=progress)
        if isinstance(engine, ResumableEngine) and engine.found:
            self.notes.append(f"resumed:    {engine.found} of {self._count} were done in {self.settings.checkpoint}")
        if self.settings.engine == "both":
            self.notes.append(f"compared:   {counted(report.compared_codes, 'code')} of both engines, all identical")
        return report

    @property
    def _count(self) -> str:
        return f"{len(self.clips)} {'windows' if isinstance(self.clips, Recording) else 'clips'}"

    def _advance(self, done: int, total: int) -> None:
        if self._traced is None:
            self.display.advance(done, total)
        else:
            size = f"waves {self._traced.waves_bytes / 1e6:,.0f} MB"
            self.display.describe(f"classifying {self._count}, {size}", done, total)

    def _resumable(self, checkpoint: Checkpoint) -> ResumableEngine:
        return ResumableEngine(self._start, checkpoint, chunk=self.settings.chunk)

    def _start(self) -> Engine:
        """The engine; the first time, the RTL's builds the simulator."""
        if self.settings.engine == "twin":
            return TwinEngine()
        with self.display.paused():
            rtl = RtlEngine(waves=self.settings.waves, waves_frames=self.settings.waves_frames)
        self.waves, self._traced = rtl.waves, rtl if rtl.waves else None
        return CheckedEngine(rtl, TwinEngine(), self.clips.names) if self.settings.engine == "both" else rtl


@contextmanager
def prepared(settings: Settings, display: Display) -> Iterator[Run]:
    """Read the clips, and program and calibrate the chip, or take it from the checkpoint or an earlier run.

    The checkpoint is the run's alone until the context is left.

    Raises
    ------
    CheckpointError
        If it is another run's, or in use.
    DatasetError, AudioError, NetworkError, MappingError
        From reading the clips and making the chip.
    """
    network = KwsModel.load(settings.model or CHECKPOINT)
    clips = _clips(settings, display)
    display("preparing the calibration clips")
    calibration = calibration_clips(settings.audio, settings.features)
    described = describe_chip(
        network, calibration, analog=settings.analog, options=settings.mapping, seed=settings.seed
    )
    made: list[CalibratedChip] = []

    def make() -> CalibratedChip:
        chip = prepare_chip(
            network,
            calibration,
            analog=settings.analog,
            options=settings.mapping,
            seed=settings.seed,
            say=display,
            advance=display.advance,
        )
        made.append(chip)
        return chip

    def from_cache() -> CalibratedChip:
        return reused(
            "chips",
            described.values(),
            make,
            save=CalibratedChip.save,
            load=CalibratedChip.load,
            waiting=lambda: display("waiting for another process, which makes the same chip"),
        )

    with ExitStack() as stack:
        checkpoint = None
        if settings.checkpoint:
            run = describe_run(settings.engine, described, clips.names, clips.inputs(network))
            checkpoint = stack.enter_context(Checkpoint(settings.checkpoint, run))
        chip = checkpoint.chip(from_cache) if checkpoint else from_cache()
        earlier = "" if made else ", in an earlier run"
        notes = [
            f"programmed: {chip.programming}",
            f"calibrated: with {counted(len(calibration), 'clip')}, {calibration.source}{earlier}",
            *(f"            {remark}" for remark in calibration.remarks),
        ]
        yield Run(settings, network, clips, chip, display, checkpoint, notes)


def _clips(settings: Settings, display: Display) -> ClipSet | Recording:
    if settings.recording:
        display("preparing the recording")
        return Recording.read(settings.recording)
    display("preparing the clips")
    return load_clips(settings.audio, settings.clips, settings.seed)
