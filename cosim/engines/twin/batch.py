"""A batch of frames on its way through the schedule of one frame, event by event."""

from collections.abc import Hashable, Iterator, Mapping
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from analog_models.events import EventKind, TileControls, TileEvent
from cosim.engines.controls import array_controls, write_event
from cosim.engines.physics import Physics
from cosim.engines.twin.pulses import MAX_TIME, Durations, Span, Times, first_pulse, open_windows, received
from cosim.fabric.events import Count, Event, Integrate, Link, Precharge, Pulse, Ramp, Write
from rtl.config import ChipConfig

__all__ = ["Batch", "Frames"]

Frames = NDArray[np.int64]


class Batch:
    """One batch of frames on its way through the schedule.

    Parameters
    ----------
    config : ChipConfig
    physics : AnalogChip or Recorder
    frames : (B,) int64
        Frame numbers; they key the noise.
    vectors : mapping of (ILP, slot) to (B, lanes) uint16
        What each vector holds, ns.
    columns : mapping of tile index to int, optional
        `AnalogChip.serve` need not compute more of them.
    """

    def __init__(
        self,
        config: ChipConfig,
        physics: Physics,
        frames: Frames,
        vectors: Mapping[tuple[int, int], Durations],
        columns: Mapping[int, int] | None = None,
    ) -> None:
        self.config, self.physics, self.frames, self.vectors = config, physics, frames, vectors
        self._columns = columns
        self.lanes = config.lanes
        #: Crossing times of each ramp, (B, lanes) cycles.
        self.crossings: dict[Ramp, Durations] = {}
        self.results: dict[tuple[int, int], NDArray[np.uint8]] = {}
        #: High times of the rows of integrations: tiles that hear the same share them.
        self._rows: dict[Hashable, Durations] = {}

    def run(self, events: tuple[Event, ...]) -> dict[tuple[int, int], NDArray[np.uint8]]:
        """Serve all events; the results (B, lanes) that are stored, by OLP and slot."""
        for _, group in groupby(events, key=lambda event: event.cycle):
            self._serve(list(group))
        return self.results

    def _serve(self, events: list[Event]) -> None:
        """All events of one cycle."""
        analog, ramps = [], {}
        for event in events:
            match event:
                case Count():
                    self.results[event.olp, event.slot] = self._counted(event)
                case Precharge():
                    analog.append(TileEvent(event.tile, EventKind.PRECHARGE, event.cycle))
                case Integrate():
                    controls = array_controls(event.controls)
                    times = self._row_times(event)
                    analog.append(TileEvent(event.tile, EventKind.INTEGRATE, event.cycle, controls, times))
                case Ramp():
                    ramps[event.tile] = event
                    slope = TileControls(ramp_start=event.ramp_start, ramp_slope=event.ramp_slope)
                    analog.append(TileEvent(event.tile, EventKind.RAMP, event.cycle, slope))
                case Write():
                    times = self._high_times(event.links)
                    analog.append(write_event(event.tile, event.cycle, event.controls, times))
        for tile, crossings in (self.physics.serve(self.frames, analog, self._columns) if analog else {}).items():
            self.crossings[ramps[tile]] = crossings

    def _times(self, source: Pulse | Ramp) -> Durations:
        """How long each of a source's lanes is high from its rise on, (frames, lanes) ns."""
        return self.vectors[source.ilp, source.slot] if isinstance(source, Pulse) else self.crossings[source]

    def _spans(self, link: Link) -> Iterator[Span]:
        """Spans in which each lane of a link is high: their start, (), and where they stop, (frames, lanes).

        A lane stays low where `stop` is not above `start`.
        """
        rise = np.int32(link.source.start)
        for opens, closes in open_windows(link):
            start, stop = rise + np.int32(opens), rise + self._times(link.source).clip(0, closes)
            yield np.array(start), stop if link.lanes.all() else np.where(link.lanes, stop, start)

    def _high_times(self, links: tuple[Link, ...]) -> Durations:
        """High time of each wire, (frames, lanes) ns."""
        total: Durations | None = None
        for link in links:
            longest = self.config.max_code if isinstance(link.source, Pulse) else MAX_TIME
            for opens, closes in open_windows(link):
                high = self._times(link.source)
                if opens or closes < longest:
                    high = high.clip(opens, closes) - np.uint16(opens)
                if not link.lanes.all():
                    high = high * link.lanes
                total = high if total is None else (total + high).clip(0, MAX_TIME)
        return np.zeros((len(self.frames), self.lanes), np.uint16) if total is None else total

    def _row_times(self, event: Integrate) -> Durations:
        key = event.heard
        if key not in self._rows:
            times = np.empty((len(self.frames), self.lanes + len(event.bias_time)), np.uint16)
            times[:, : self.lanes], times[:, self.lanes :] = self._high_times(event.links), event.bias_time
            self._rows[key] = times
        return self._rows[key]

    def _counted(self, event: Count) -> NDArray[np.uint8]:
        """High time up to the first falling edge."""
        receiver = self.physics.pad_receiver(event.olp)
        windows = [window for link in event.links for window in open_windows(link)]
        pulses: Times | Durations
        if len(windows) <= 1 and not receiver.config.active:
            pulses = self._high_times(event.links)  # no second pulse that could follow the first
        else:
            spans = [span for link in event.links for span in self._spans(link)]
            if receiver.config.active:
                spans = received(spans, receiver.reception(self.frames, event.start), event.cycle)
            pulses = np.broadcast_to(first_pulse(spans), (len(self.frames), self.lanes))
        codes = pulses.clip(0, self.config.max_code).astype(np.uint8)
        return codes >> np.uint8(event.seven_bits)
