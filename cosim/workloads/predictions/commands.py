"""What `duramesh energy` does between its options and what it prints."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from analog_models.config import AnalogConfig
from cosim.compiler import MappingOptions
from cosim.compiler.matrices import Layout
from cosim.files.archive import ArchiveError, archive_format
from cosim.files.errors import UserError
from cosim.performance.constants import EnergyConstants
from cosim.performance.frames import with_duration
from cosim.performance.host import HostTiming
from cosim.performance.numbers import StandIn
from cosim.performance.report import EntryReport, PerformanceReport, entry_reports, image_report
from cosim.performance.sample import stages
from cosim.performance.timing import Timing
from cosim.performance.what_if import with_conductance, with_lanes, with_pads
from cosim.system.image import SystemImage
from cosim.system.inputs import read_inputs
from cosim.workloads.predictions.albert import AlbertSystem, placed_layer
from cosim.workloads.predictions.albert_report import albert_report
from cosim.workloads.predictions.albert_tasks import task_lengths
from cosim.workloads.predictions.kws import kws_frame
from cosim.workloads.predictions.rnnt import RnntSystem, read_manifest, utterances
from cosim.workloads.predictions.rnnt_chips import paper_chips
from cosim.workloads.predictions.rnnt_report import rnnt_report
from rtl.config import ChipConfig, preset

__all__ = ["WORKLOADS", "Counted", "Report", "WhatIf", "counted", "host_of", "kind_of"]

#: Names that `duramesh energy` takes in place of a file.
WORKLOADS = ("rnnt", "albert", "kws")


class TargetError(UserError, ValueError):
    """There is nothing to count; the message says what is expected."""


class Report(Protocol):
    """Numbers that can be printed, and written as JSON."""

    def print(self, console: Console) -> None: ...

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class WhatIf:
    """What is other than in the paper; None and the defaults change nothing.

    Parameters
    ----------
    duration : int
        Longest pulse, ns: 127 halves integration, charge and readout, and is 7 bits; 63 is 6.
    constants : AnalogConfig
        Of the analog part.
    conductance : float
        Of all devices, times as large.
    pads : int, optional
        Landing pads of each kind.
    lanes : int, optional
        Rows and columns of a tile. Clock and leakage stay those of the paper's chip.
    pipelined : bool
        ALBERT's layer-blocks work on tokens behind one another, with digital cores beside the tiles.
    decoder_frames : int
        `RnntSystem.decoder_frames`.
    overlapped : bool
        `RnntSystem.overlapped`.
    host : HostTiming, optional
        By default 300 ns a layer for the RNN-T, counted operations for all others.
    """

    duration: int = 255
    constants: AnalogConfig = field(default_factory=AnalogConfig)
    conductance: float = 1.0
    pads: int | None = None
    lanes: int | None = None
    pipelined: bool = False
    decoder_frames: int = 1
    overlapped: bool = False
    host: HostTiming | None = None

    @property
    def config(self) -> ChipConfig:
        config = preset()
        if self.lanes is not None:
            config = with_lanes(config, self.lanes)
        return config if self.pads is None else with_pads(config, self.pads)

    @property
    def analog(self) -> AnalogConfig:
        return with_conductance(self.constants, self.conductance)

    @property
    def counted_host(self) -> HostTiming:
        return self.host or HostTiming(counted=True)


@dataclass(frozen=True, eq=False)
class Counted:
    """A report, and what its picture is drawn from."""

    report: Report
    entries: tuple[EntryReport, ...]
    timing: Timing | None = None


def host_of(target: str, layer_ns: float | None, port_gbps: float | None) -> HostTiming | None:
    """The host's units, from what was asked for; None where nothing was.

    Parameters
    ----------
    target : str
    layer_ns : float, optional
        For the digital work behind every frame.
    port_gbps : float, optional
        Of the pins that vectors go over.

    Raises
    ------
    TargetError
    """
    if layer_ns is None and port_gbps is None:
        return None
    try:
        if layer_ns is not None:
            return HostTiming(layer_ns=layer_ns, port_gbps=port_gbps or 0.0)
        return HostTiming(counted=target != "rnnt", port_gbps=port_gbps or 0.0)
    except ValueError as error:  # no number
        raise TargetError(str(error)) from None


def kind_of(target: str) -> str:
    """What a target is: a name of `WORKLOADS`, "a layout" or "an image".

    Raises
    ------
    TargetError
        If it is none of them.
    """
    if target in WORKLOADS:
        return target
    path = Path(target)
    if not path.exists():
        raise TargetError(f"{path}: no such file, and no workload; workloads are {', '.join(WORKLOADS)}")
    try:
        return "a layout" if archive_format(path) == "duramesh layout" else "an image"
    except ArchiveError as error:
        raise TargetError(f"{path}: no system image and no layout ({error})") from None


def counted(
    target: str,
    what_if: WhatIf,
    *,
    manifest: Path | None = None,
    inputs: Path | None = None,
    steps: Mapping[str, int] | None = None,
    limit: int | None = None,
    data: Path | None = None,
    model: Path | None = None,
    say: Callable[[str], None] = lambda words: None,
) -> Counted:
    """Time and energy of a workload's name, or of a file.

    Parameters
    ----------
    target : str
        Of `WORKLOADS`, or a file: what `duramesh compile` wrote, or a saved layout.
    what_if : WhatIf
    manifest : Path, optional
        Of the RNN-T's utterances.
    inputs : Path, optional
        Samples of an image, of which the first is timed.
    steps : mapping of str to int, optional
        Of an image's graphs for that sample, by name: `cosim.performance.sample.stages`.
    limit : int, optional
        Take the first utterances only.
    data, model : Path, optional
        Of ALBERT: GLUE's folder, whose tasks' lengths count, and the folder with the tokenizer.
    say : callable, optional

    Raises
    ------
    TargetError, ManifestError, InputError, MappingError, GlueError, TokenizerError
    """
    constants = EnergyConstants.nominal()
    if target == "rnnt":
        return _rnnt(what_if, constants, manifest, limit, say)
    if target == "albert":
        say("placing ALBERT's layer")
        layout = placed_layer(what_if.config)
        if what_if.duration != 255:
            layout = with_duration(layout, what_if.duration)
        mean = constants.fitted.mean_code * what_if.duration / 255
        system = AlbertSystem(layout, StandIn(mean), what_if.pipelined, what_if.counted_host, what_if.analog)
        say("timing sequences")
        lengths = task_lengths(data, model) if data is not None and model is not None else ()
        report = albert_report(system, constants, tasks=lengths)
        return Counted(report, report.entries, report.runs[0].timing)
    if target == "kws":
        say("synthesising speech")
        options = MappingOptions(duration=what_if.duration)
        entry = kws_frame(constants, what_if.config, options=options, analog=what_if.analog)
        return Counted(PerformanceReport("kws", (entry,)), (entry,))
    return _file(Path(target), what_if, constants, inputs, steps or {})


def _rnnt(
    what_if: WhatIf,
    constants: EnergyConstants,
    manifest: Path | None,
    limit: int | None,
    say: Callable[[str], None],
) -> Counted:
    if manifest is None:
        raise TargetError(
            "rnnt needs --manifest: lines of JSON with samples (at 16 kHz) and transcript of each utterance"
        )
    given = read_manifest(manifest)
    short = utterances(given)
    batch = short[:limit]
    say("placing five chips")
    # None is the paper's chip, for which they are placed already.
    config = None if what_if.config == preset() else what_if.config
    system = RnntSystem(
        paper_chips(config=config),
        constants.fitted.mean_code,
        duration=what_if.duration,
        decoder_frames=what_if.decoder_frames,
        overlapped=what_if.overlapped,
        host=what_if.host or HostTiming(),
        analog=what_if.analog,
    )
    say("timing utterances")
    report = replace(rnnt_report(batch, constants, system, config), left_out=len(given) - len(short))
    return Counted(report, report.chips, system.jobs(batch[0]).timing())


def _file(
    path: Path, what_if: WhatIf, constants: EnergyConstants, inputs: Path | None, steps: Mapping[str, int]
) -> Counted:
    if kind_of(str(path)) == "a layout":
        layout = with_duration(Layout.load(path), what_if.duration)
        numbers = StandIn(constants.fitted.mean_code * what_if.duration / 255)
        pins = bool(what_if.counted_host.port_gbps)
        entries = tuple(entry_reports(layout, numbers, constants, analog=what_if.analog, pins=pins))
        return Counted(PerformanceReport(path.stem, entries), entries)
    image = SystemImage.load(path)
    sample = None if inputs is None else stages(image, read_inputs(inputs), steps)
    host = what_if.counted_host
    report, timing = image_report(image, constants, name=path.stem, sample=sample, host=host, analog=what_if.analog)
    return Counted(report, report.entries, timing)
