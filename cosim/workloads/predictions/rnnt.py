"""The paper's RNN-T on five chips: time, energy and operations of a set of utterances.

What runs when follows from the lengths of the audio and of the transcripts alone; no weight is needed. Source of what
the system is: Nature 620, 768 (2023), Methods, "Performance simulation and power measurements", and MLPerf's reference.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from analog_models.config import AnalogConfig
from cosim.files.errors import UserError
from cosim.files.json_text import from_json
from cosim.graph import Linear
from cosim.graph.operators.activations import Relu
from cosim.graph.operators.arithmetic import Affine, Sum
from cosim.graph.operators.cells import LstmCell
from cosim.graph.operators.reduction import Extreme
from cosim.performance.activity import Activity
from cosim.performance.constants import EnergyConstants
from cosim.performance.energy import Energy
from cosim.performance.host import HostTiming, host_nj, operations_of, recombined, zeros
from cosim.performance.timing import Jobs, Timing
from cosim.workloads.audio import SAMPLE_RATE
from cosim.workloads.predictions.rnnt_chips import RnntChip
from cosim.workloads.rnnt.features import FrontEnd
from cosim.workloads.rnnt.mapping import PAPER, FirstLayer

__all__ = ["LONGEST_S", "ManifestError", "RnntRun", "RnntSystem", "Utterance", "read_manifest", "utterances"]

#: Longest audio of MLPerf's set. Source: its reference, 2,513 utterances of LibriSpeech's dev-clean.
LONGEST_S = 15.0
_EXPANDED_ROWS = FirstLayer.EXPANDED.rows(PAPER.features)


class ManifestError(UserError, ValueError):
    """A file holds no manifest; the message says which line."""


@dataclass(frozen=True)
class Utterance:
    """How much work one utterance is.

    Parameters
    ----------
    steps : int
        Of 30 ms, which the first two LSTMs take.
    symbols : int
        Characters that are recognised.
    seconds : float
        Of audio.
    """

    steps: int
    symbols: int
    seconds: float = 0.0

    @property
    def stacked(self) -> int:
        """Steps behind the time stacking."""
        return -(-self.steps // PAPER.stack)

    @classmethod
    def of(cls, samples: int, transcript: str) -> "Utterance":
        """Of so much audio at 16 kHz, with what is said in it."""
        return cls(FrontEnd().steps(samples), len(transcript), samples / SAMPLE_RATE)


def read_manifest(path: Path) -> list[tuple[int, str]]:
    """Samples at 16 kHz and transcript of every utterance of a manifest, one JSON object a line.

    Raises
    ------
    ManifestError
    FileNotFoundError
    """
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: expected lines of JSON in UTF-8; byte {error.start} is none of UTF-8's") from None
    for number, line in enumerate(lines, 1):
        try:
            found.append(_described(from_json(line)))
        except ValueError as error:  # of JSON's syntax, too
            raise ManifestError(
                f'{path}, line {number}: {error}; expected e.g. {{"samples": 48000, "transcript": "as it is"}}'
            ) from None
    if not found:
        raise ManifestError(f"{path}: no utterance in it")
    return found


def _described(one: object) -> tuple[int, str]:
    """Samples and transcript."""
    if not isinstance(one, Mapping) or not {"samples", "transcript"} <= one.keys():
        raise ValueError("no object with samples and transcript")
    samples, transcript = one["samples"], one["transcript"]
    if type(samples) is not int or samples <= 0:
        raise ValueError(f"samples must be a whole number above 0, got {samples!r:.40}")
    if not isinstance(transcript, str):
        raise ValueError(f"transcript must be a text, got {transcript!r:.40}")
    return samples, transcript


def utterances(manifest: Sequence[tuple[int, str]], longest_s: float = LONGEST_S) -> list[Utterance]:
    """Those that last no longer.

    Raises
    ------
    ManifestError
        If there is none.
    """
    found = [Utterance.of(samples, text) for samples, text in manifest if samples <= longest_s * SAMPLE_RATE]
    if not found:
        raise ManifestError(f"no utterance of at most {longest_s:g} s, MLPerf's longest; samples count at 16 kHz")
    return found


@dataclass(frozen=True)
class RnntSystem:
    """Five chips and the host's units beside their pads.

    Parameters
    ----------
    chips : tuple of RnntChip
    mean_code : float
        Of inputs, as it was fitted.
    duration : int
        Longest pulse, ns.
    expanded : bool
        The host multiplies the input of Enc-LSTM0 with a random matrix.
    decoder_frames : int
        Frames of chip 5 for a symbol: 1, as the paper counts; 3 where each of its layers waits for the one before it.
    overlapped : bool
        An utterance begins as soon as chip 1 is free, not when the one before it is done.
    host : HostTiming
    analog : AnalogConfig
    """

    chips: tuple[RnntChip, ...]
    mean_code: float
    duration: int = 255
    expanded: bool = False
    decoder_frames: int = 1
    overlapped: bool = False
    host: HostTiming = field(default_factory=HostTiming)
    analog: AnalogConfig = field(default_factory=AnalogConfig)

    def jobs(self, utterance: Utterance) -> Jobs:
        """What one utterance takes, chip by chip."""
        return self._script.jobs(utterance)

    @cached_property
    def _script(self) -> "_Script":
        return _Script(self)

    def frames(self, utterance: Utterance) -> tuple[int, ...]:
        """Of every chip; chip 4 begins a frame with every step of Enc-LSTM3, and two more to empty itself."""
        steps, stacked = utterance.steps, utterance.stacked
        return steps, steps, stacked, stacked + 2, self.decoder_frames * (utterance.symbols + 1)

    def frame_energy(self, constants: EnergyConstants) -> tuple[Energy, ...]:
        """Of a frame of every chip."""
        pins = bool(self.host.port_gbps)
        return tuple(Energy.of(activity, constants, pins=pins) for activity in self.activities)

    @cached_property
    def activities(self) -> tuple[Activity, ...]:
        """Of a frame of every chip."""
        return tuple(chip.activity(self.mean_code, self.duration, self.analog) for chip in self.chips)

    def operations(self, utterance: Utterance) -> float:
        """On the chips; rows that are there several times, or of an expansion, count once."""
        steps, _, stacked, _, decoded = self.frames(utterance)
        counts = (steps, steps, stacked, stacked, decoded / self.decoder_frames)
        return sum(count * chip.operations for count, chip in zip(counts, self.chips, strict=True))

    def host_operations(self, utterance: Utterance) -> Counter[str]:
        """Of the host, by kind."""
        total = Counter[str]()
        joints = utterance.stacked + utterance.symbols
        counts = (utterance.steps, utterance.stacked, utterance.symbols + 1, joints)
        for count, operations in zip(counts, self._host_by_step, strict=True):
            for kind, number in operations.items():
                total[kind] += count * number
        return total

    def host_of(self, batch: Iterable[Utterance]) -> Counter[str]:
        """Of the host, for all of some utterances."""
        total = Counter[str]()
        for one in batch:
            total.update(self.host_operations(one))
        return total

    @cached_property
    def _host_by_step(self) -> tuple[Counter[str], ...]:
        """Operations of an input step, of a step behind the time stacking, of a symbol, of the joint network once."""
        around = [recombined(chip.layout, chip.calls) for chip in self.chips]
        cell = LstmCell()
        apart, decoder = (operations_of(cell, 4 * n, 4 * n, n) for n in (PAPER.encoder, PAPER.prediction))
        # Where the capacitors have summed both products, the cell has no sum of them to do.
        summed = apart - 4 * PAPER.encoder
        step = around[0] + around[1] + Counter({"LSTM cells": 2 * apart})
        if self.expanded:
            matrix = Linear(*zeros((PAPER.features, _EXPANDED_ROWS)))
            step["weight expansion"] = operations_of(matrix, PAPER.features)
        else:
            step["normalisation"] = operations_of(Affine(*zeros(PAPER.features, PAPER.features)), PAPER.features)
        stacked = around[2] + around[3] + Counter({"LSTM cells": apart + 2 * summed})
        symbol = around[4] + Counter({"LSTM cells": 2 * (decoder - 4 * PAPER.prediction)})
        joint = (
            operations_of(Sum(), PAPER.joint, PAPER.joint)
            + operations_of(Relu(), PAPER.joint)
            + operations_of(Linear(*zeros((PAPER.joint, PAPER.labels), PAPER.labels)), PAPER.joint)
            + operations_of(Extreme(), PAPER.labels)
        )
        return step, stacked, symbol, Counter({"joint network": joint})

    def run(self, batch: Iterable[Utterance]) -> "RnntRun":
        """Time, operations and frames of utterances, one after the other."""
        given = list(batch)
        alone: dict[tuple[int, int], Timing] = {}
        latencies, total, free = [], 0.0, dict[str, float]()
        for one in given:
            if self.overlapped:
                timing = self.jobs(one).timing(free)
                free = {**free, **timing.free()}
                total = max(total, timing.end_ns)
            else:
                key = one.steps, one.symbols
                timing = alone.get(key) or alone.setdefault(key, self.jobs(one).timing())
                total += timing.total_ns
            latencies.append(timing.total_ns)
        frames = np.sum([self.frames(one) for one in given], axis=0)
        return RnntRun(
            self,
            tuple(given),
            total,
            tuple(latencies),
            tuple(map(int, frames)),
            sum(map(self.operations, given)),
            self.host_of(given),
        )


@dataclass(frozen=True, eq=False)
class RnntRun:
    """What a set of utterances took.

    Parameters
    ----------
    system : RnntSystem
    utterances : tuple of Utterance
    ns : float
        All of it.
    latencies_ns : tuple of float
        Of each utterance, from its first frame on.
    frames : tuple of int
        Of each chip.
    operations : float
        On the chips.
    host : mapping of kind to operations
    """

    system: RnntSystem
    utterances: tuple[Utterance, ...]
    ns: float
    latencies_ns: tuple[float, ...]
    frames: tuple[int, ...]
    operations: float
    host: Mapping[str, float]

    def chips_j(self, constants: EnergyConstants) -> tuple[float, ...]:
        """Of each chip, while it works: powers weighted with activity, as the paper does."""
        energies = self.system.frame_energy(constants)
        return tuple(1e-9 * n * energy.total_nj for n, energy in zip(self.frames, energies, strict=True))

    def idle_j(self, constants: EnergyConstants) -> float:
        """What clocks and leakage take while chips wait, which the paper leaves out."""
        pairs = zip(self.frames, self.system.chips, strict=True)
        idle = sum(self.ns - n * chip.frame_ns for n, chip in pairs)
        return 1e-9 * idle * constants.fitted.chip_w

    def host_j(self, constants: EnergyConstants) -> float:
        return 1e-9 * host_nj(self.host, constants)


class _Script:
    """Jobs of an utterance."""

    def __init__(self, system: RnntSystem) -> None:
        self._system = system
        self._ns = [max(chip.frame_ns, system.host.port(chip.beats)) for chip in system.chips]
        self._layer = []
        cell = LstmCell()
        for chip, width in zip(system.chips, (*[PAPER.encoder] * 4, PAPER.prediction), strict=True):
            operations = recombined(chip.layout, chip.calls).total()
            operations += operations_of(cell, 4 * width, 4 * width, width)
            self._layer.append(system.host.layer(operations))
        self._joint = system.host.layer(2 * PAPER.joint * PAPER.labels)

    def jobs(self, utterance: Utterance) -> Jobs:
        jobs = Jobs()
        first = self._recurrent(jobs, 0, [()] * utterance.steps)
        second = self._recurrent(jobs, 1, [(one,) for one in first])
        pairs = [tuple(second[at : at + PAPER.stack]) for at in range(0, utterance.steps, PAPER.stack)]
        third = self._recurrent(jobs, 2, pairs)
        # Enc-LSTM3, Enc-LSTM4 and Enc-FC share the frames of chip 4, each a step behind the one before it.
        fourth = self._recurrent(jobs, 3, [*((one,) for one in third), (), ()])
        self._decoded(jobs, fourth[2:], utterance.symbols)
        return jobs

    def _layered(self, jobs: Jobs, chip: int, after: tuple[int, ...]) -> int:
        """A frame, and the digital work behind it."""
        name = self._system.chips[chip].name
        return jobs.add(name, name, self._ns[chip], after, self._layer[chip])

    def _recurrent(self, jobs: Jobs, chip: int, after: Sequence[tuple[int, ...]]) -> list[int]:
        """A frame a step, which waits for the step before it."""
        done: list[int] = []
        for waits in after:
            done.append(self._layered(jobs, chip, (*waits, *done[-1:])))
        return done

    def _decoded(self, jobs: Jobs, encoded: Sequence[int], symbols: int) -> None:
        """Greedy decoding: at each step the joint network, until it says blank; characters are spread evenly."""
        state = self._predicted(jobs, ())
        said = 0
        for step, encoding in enumerate(encoded):
            joint = jobs.add("joint", "joint", self._joint, (encoding, state))
            while said < symbols and (said + 0.5) / symbols * len(encoded) < step + 1:
                state = self._predicted(jobs, (joint,))
                joint = jobs.add("joint", "joint", self._joint, (encoding, state))
                said += 1
            state = joint

    def _predicted(self, jobs: Jobs, after: tuple[int, ...]) -> int:
        for _ in range(self._system.decoder_frames):
            after = (self._layered(jobs, 4, after),)
        return after[0]
