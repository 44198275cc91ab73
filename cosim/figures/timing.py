"""Study: who does what when in a frame of keyword spotting (Fig. 3e), from a run of the RTL."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analog_models.events import EventKind
from cosim.calibration import CalibratedChip
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine
from cosim.experiment import Experiment, ExperimentError, Record
from cosim.experiment.routes import Activity
from cosim.experiment.voltages import capacitor_voltages
from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.study import Figure, Study
from cosim.files.plotting import new_figure
from cosim.files.wording import counted, listed
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import LayerPlan, Program, Unit
from cosim.view import View
from cosim.workloads.kws.model import quantise
from rtl.isa import RAMP_LATENCY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

__all__ = ["STUDY"]

#: Frames of the run: the first is drawn; how far the second is behind it is the period.
_FRAMES = 2
#: Looks at the capacitors within an integration.
_POINTS = 12
_LONGEST = 255  # ns, of a pulse
#: Clips whose charges are counted, and the supply that gives them.
_COUNTED, _SUPPLY_V = 200, 1.5
_COLOURS = {
    "precharge": "#cc79a7",
    "integrate": "#e69f00",
    "ramp": "#009e73",
    "send": "#0072b2",
    "receive": "#56b4e9",
    "count": "#8c6d31",
}
#: Of these, on which text is white.
_DARK = ("send", "count")
_TRACES = ("#d55e00", "#0072b2", "#555555")


def measure(campaign: Campaign) -> Measurement:
    """Two frames on the RTL with everything that crosses the analog boundary recorded, and their voltages."""
    campaign.say("calibrating a chip")
    chip = campaign.calibrated(campaign.seed)
    program, clips = chip.program, campaign.clips
    codes = program.input_codes(quantise(campaign.model.prepare(clips.features[:_FRAMES])))
    experiment = Experiment.of_program(program, codes, seed=campaign.seed, name="keyword spotting")
    campaign.say("running two frames on the RTL")
    (record,) = RtlEngine(campaign.config).perform([experiment])
    if record.flagged:
        raise ExperimentError(record.error_report(program.config))
    campaign.say("following the capacitors")
    columns = {layer.reader: _columns(layer, record) for layer in program.layers}
    courses = capacitor_voltages(experiment, record, columns, points=_POINTS)
    frame = _Frame(View(experiment, program), record, columns)
    arrays: dict[str, NDArray] = {}
    for layer in program.layers:
        course = courses[layer.reader]
        shown = course.cycles < program.frame_cycles
        arrays |= {f"cycles {layer.name}": course.cycles[shown], f"volts {layer.name}": course.volts[shown]}
    data = f"{_FRAMES} clips, {clips.source}"
    period = Finding(
        f"period of a frame, {len(frame.view.steps)} steps",
        frame.period(),
        "ns",
        engine=record.engine,
        data=data,
        seeds=f"chip {campaign.seed}",
        digits=0,
        paper="2.4 \u00b5s, 8 steps of 300 ns",
        source="Nature 620, 768 (2023), Fig. 3e and Methods",
    )
    return Measurement(frame.numbers(program, data), arrays, (period, *_read_energy(campaign, chip)))


def _read_energy(campaign: Campaign, chip: CalibratedChip) -> Iterator[Finding]:
    """What the currents of each layer's arrays take from their supply."""
    clips = campaign.clips.evenly(_COUNTED)
    inputs = quantise(campaign.model.prepare(clips.features))
    with chip.analog.counting() as consumption:
        TwinEngine().run(chip.program, chip.analog, inputs)
    for layer in chip.program.layers:
        used = [consumption[tile] for tile in layer.tiles]
        nj = [_SUPPLY_V * float(tile.charge_fc.sum()) * 1e-6 / tile.integrations for tile in used]
        yield Finding.over(
            f"read currents of {layer.name} at {_SUPPLY_V} V, a tile and phase",
            np.array(nj),
            "nJ",
            engine="twin",
            data=f"{counted(len(clips), 'clip')}, {clips.source}; tiles of the layer",
            seeds=f"chip {campaign.seed}, devices {campaign.analog.devices}",
            paper=(
                "13.1 on average, all of the 1.5 V supply, of another network: 34.6 million operations a frame at "
                "20.0 TOPS/W, by 33 tiles in 4 phases"
            ),
            source="Nature 620, 768 (2023), Fig. 6, RNN-T chip 4; our arithmetic",
        )


def _columns(layer: LayerPlan, record: Record) -> list[int]:
    """Three columns to follow: of those whose first pulse neither begins nor ends with the window, the one with the
    longest and a middle one; and the one with the shortest pulse of all.
    """
    times = next(times for (_, tile), times in sorted(record.crossings.items()) if tile == layer.reader)
    codes = times[: layer.outputs].astype(int) - layer.enable_offset
    order = np.argsort(-codes, kind="stable")
    inside = order[(codes[order] > 0) & (codes[order] < _LONGEST)]
    chosen = inside if inside.size else order
    return [int(column) for column in (chosen[0], chosen[len(chosen) // 2], order[-1])]


class _Frame:
    """The first frame of a recorded run."""

    def __init__(self, view: View, record: Record, columns: dict[int, list[int]]) -> None:
        self.view, self.record, self.columns = view, record, columns
        self.sends = [a for a in self.activities() if a.kind == "send"]

    def activities(self) -> Sequence[Activity]:
        return self.view.routes.during(self.view.span.start, self.view.span.stop)

    def period(self) -> int:
        """Cycles from each recorded event of the first frame to the same one of the second.

        Raises
        ------
        ExperimentError
            If they differ.
        """
        cycles: dict[tuple[int, EventKind], list[int]] = {}
        for event in self.record.events:
            cycles.setdefault((event.tile, event.kind), []).append(event.cycle)
        halves = [np.array(found).reshape(_FRAMES, -1) for found in cycles.values()]
        periods = {int(period) for first, second in halves for period in second - first}
        if len(periods) != 1:
            raise ExperimentError(f"{self.view.experiment.name}: frames follow after {sorted(periods)} cycles")
        return periods.pop()

    def numbers(self, program: Program, data: str) -> dict[str, Any]:
        """All but the voltages, as JSON."""
        periphery = self.view.experiment.analog.periphery
        return {
            "data": data,
            "frames": _FRAMES,
            "looks": _POINTS,
            "tiles": self.view.experiment.config.tile_count,
            "engine": self.record.engine,
            "seed": self.view.experiment.seed,
            "frame_ns": program.frame_cycles,
            "comparator_pulses_replayed": sum(times.size for times in self.record.crossings.values()),
            "steps": [[step.start, step.stop] for step in self.view.steps],
            "lanes": [{"unit": self.name(unit), "bars": self.bars(unit)} for unit in self.units()],
            "layers": [
                {
                    "name": layer.name,
                    "tile": self.name(Unit(TILE, layer.reader)),
                    "columns": self.columns[layer.reader],
                    "ramps": list(self.ramps(layer)),
                }
                for layer in program.layers
            ],
            "precharge_v": periphery.precharge_v,
            "waves": [{"name": name, "spans": spans} for name, spans in self.waves(program)],
        }

    def units(self) -> list[Unit]:
        """Those that do something: inputs first, then tiles in the order of layers, then outputs."""
        busy = {activity.unit for activity in self.activities()}
        assert self.view.program is not None
        tiles = [Unit(TILE, tile) for layer in self.view.program.layers for tile in layer.tiles]
        pads = [unit for unit in self.view.units if unit.kind is not TILE and unit in busy]
        outputs = sorted((unit for unit in pads if unit.kind is OLP), key=lambda unit: self.first(unit))
        return [*(unit for unit in pads if unit.kind is ILP), *tiles, *outputs]

    def first(self, unit: Unit) -> int:
        return min(activity.start for activity in self.activities() if activity.unit == unit)

    def name(self, unit: Unit) -> str:
        plan = self.view.experiment.config.floorplan
        if unit.kind is not TILE:
            return f"{unit.kind.name} {plan.domains[unit.index]}"
        assert self.view.program is not None
        layer = next(layer.name for layer in self.view.program.layers if unit.index in layer.tiles)
        return f"tile {unit.index}, {layer}"

    def bars(self, unit: Unit) -> list[list]:
        """[kind, start, stop, text] of a unit. A tile that integrates while its rows get pulses receives, too."""
        bars = []
        for act in self.activities():
            if act.unit == unit:
                bars.append([act.kind, act.start, act.stop, self.text(act)])
                if act.kind == "integrate":
                    spans = [s for s in self.sends if s.overlaps(act.start, act.stop)]
                    bars += [["receive", max(s.start, act.start), min(s.stop, act.stop), ""] for s in spans[:1]]
        return bars

    def text(self, activity: Activity) -> str:
        fields = activity.fields
        match activity.kind:
            case "integrate":
                pairs = "+".join(pair.upper() for pair in ("wp1", "wp2") if fields[pair])
                return ("\u2212" if fields["discharge"] else "") + pairs
            case "send" if "slot" in fields:
                assert self.view.program is not None
                for slot in self.view.program.inputs:
                    if (slot.ilp, slot.slot) == (activity.unit.index, fields["slot"]):
                        return "x+" if slot.sign > 0 else "x\u2212"
        return ""

    # ---- what was recorded

    def events(self, tile: int, kind: EventKind) -> list[int]:
        return [e.cycle for e in self.record.events if (e.tile, e.kind) == (tile, kind) and e.cycle in self.view.span]

    def ramps(self, layer: LayerPlan) -> Iterator[dict[str, Any]]:
        """The ramp's line, V, while the columns' pulses are high: from 8 cycles after its event on."""
        periphery = self.view.experiment.analog.periphery
        slope = layer.ramp_slope / periphery.ramp_full_slope * periphery.ramp_full_v / periphery.ramp_full_ns
        for cycle in self.events(layer.reader, EventKind.RAMP):
            times = self.record.crossings[cycle, layer.reader][self.columns[layer.reader]]
            start = cycle + RAMP_LATENCY
            yield {
                "start": start,
                "stop": self.ramp_end(layer.reader, cycle),
                "from_v": layer.ramp_start * periphery.ramp_lsb_v,
                "v_per_ns": slope,
                "crossings": [start + int(time) for time in times],
            }

    def waves(self, program: Program) -> Iterator[tuple[str, list[list[int]]]]:
        """(name, [start, stop] of each pulse) of some wires: durations as recorded, beginnings from the programs."""
        first = program.layers[0]
        lanes = self.busy_rows(first.tiles[0])
        for lane in lanes:
            yield f"ILP lane {lane} = row {lane} of tile {first.tiles[0]}", self.row_pulses(first.tiles[0], lane)
        for layer, following in pairwise(program.layers):
            column = self.columns[layer.reader][0]
            yield f"comparator {column} of tile {layer.reader}", self.comparator_pulses(layer.reader, column)
            yield f"row {column} of tile {following.tiles[0]}", self.row_pulses(following.tiles[0], column)
        for column in self.columns[program.layers[-1].reader][:2]:
            reader = program.layers[-1].reader
            yield f"comparator {column} of tile {reader}", self.comparator_pulses(reader, column)
            yield f"OLP lane {column}, counted", self.counted(program, column)

    def busy_rows(self, tile: int) -> list[int]:
        """The rows with the longest pulse of the positive and of the negative input."""
        times = [e.row_time for e in self.record.events if e.tile == tile and e.kind is EventKind.INTEGRATE][:2]
        return [int(np.argmax(time[0, : self.view.experiment.config.lanes])) for time in times if time is not None]

    def begin(self, unit: Unit | None, start: int, stop: int) -> int:
        """When the pulses of a unit, or whichever are on the way, begin within some cycles."""
        return next(max(s.start, start) for s in self.sends if s.overlaps(start, stop) and unit in (None, s.unit))

    def row_pulses(self, tile: int, row: int) -> list[list[int]]:
        spans = []
        for event in self.record.events:
            if (event.tile, event.kind) == (tile, EventKind.INTEGRATE) and event.cycle in self.view.span:
                assert event.row_time is not None
                acts = self.activities()
                (start,) = (a.start for a in acts if (a.unit, a.stop) == (Unit(TILE, tile), event.cycle))
                begin = self.begin(None, start, event.cycle)
                spans.append([begin, begin + int(event.row_time[0, row])])
        return spans

    def ramp_end(self, tile: int, cycle: int) -> int:
        (stop,) = (a.stop for a in self.activities() if (a.unit, a.kind, a.start) == (Unit(TILE, tile), "ramp", cycle))
        return stop

    def comparator_pulses(self, tile: int, column: int) -> list[list[int]]:
        """A comparator is high until the ramp crosses, at most while there is a ramp."""
        spans = []
        for cycle in self.events(tile, EventKind.RAMP):
            start = cycle + RAMP_LATENCY
            stop = min(start + int(self.record.crossings[cycle, tile][column]), self.ramp_end(tile, cycle))
            spans.append([start, stop])
        return spans

    def counted(self, program: Program, lane: int) -> list[list[int]]:
        (slot,) = (slot for slot in program.outputs if slot.layer == len(program.layers) - 1)
        code = int(self.record.results[slot.olp][slot.slot][lane])
        counts = (a for a in self.activities() if (a.unit, a.kind) == (Unit(OLP, slot.olp), "count"))
        begins = [self.begin(None, count.start, count.stop) for count in counts]
        return [[begin, begin + code] for begin in begins]


# Drawing --------------------------------------------------------------------------------------------------------------


def draw_timing(measurement: Measurement) -> "Picture":
    """Lanes of units, capacitor voltages, and pulses, over one frame."""
    numbers = measurement.numbers
    layers = numbers["layers"]
    heights = [0.24 * len(numbers["lanes"]), *[1.25] * len(layers), 0.24 * len(numbers["waves"])]
    figure, axes = new_figure(11, 1.2 + sum(heights), 2 + len(layers), sharex=True, height_ratios=heights)
    about = (
        f"{_engine(numbers)}, {counted(numbers['tiles'], 'tile')}, chip {numbers['seed']}, first of {numbers['data']}"
    )
    figure.suptitle(f"{about}; capacitors: the same physics with the recorded pulses", fontsize=8)
    _draw_lanes(axes[0], numbers)
    for part, layer in zip(axes[1:-1], layers, strict=True):
        _draw_voltages(part, layer, measurement, numbers["precharge_v"])
    _draw_waves(axes[-1], numbers["waves"], numbers["frame_ns"])
    for part in axes:
        for start, _ in numbers["steps"]:
            part.axvline(start, color="#bbbbbb", linewidth=0.6, zorder=0)
        part.spines[["top", "right"]].set_visible(False)
        part.tick_params(labelsize=7)
    axes[-1].set(xlim=(0, numbers["frame_ns"]))
    axes[-1].set_xlabel("ns from the beginning of the frame", fontsize=8)
    axes[-1].set_xticks([start for start, _ in numbers["steps"]] + [numbers["frame_ns"]])
    return figure


def _draw_lanes(axes: "Axes", numbers: Any) -> None:
    lanes = numbers["lanes"]
    for row, lane in enumerate(lanes):
        for kind, start, stop, text in lane["bars"]:
            thin = kind in ("receive", "send") and lane["unit"].startswith("tile")
            bottom, height = (row + 0.18, 0.2) if thin else (row - 0.38, 0.52 if "tile" in lane["unit"] else 0.76)
            axes.broken_barh([(start, stop - start)], (bottom, height), facecolors=_COLOURS[kind])
            ink = "white" if kind in _DARK else "black"
            axes.text((start + stop) / 2, bottom + height / 2, text, ha="center", va="center", fontsize=6.5, color=ink)
    axes.set_yticks(range(len(lanes)), [lane["unit"] for lane in lanes])
    axes.set_ylim(len(lanes) - 0.5, -0.5)
    for number, (start, stop) in enumerate(numbers["steps"], start=1):
        axes.annotate(
            f"step {number}", ((start + stop) / 2, 1), (0, 3), ("data", "axes fraction"), "offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    handles = [axes.barh(0, 0, color=colour, label=kind) for kind, colour in _COLOURS.items()]
    axes.legend(
        handles=handles, ncols=len(handles), fontsize=7, loc="lower left", bbox_to_anchor=(0, 1.09), frameon=False
    )


def _draw_voltages(axes: "Axes", layer: Any, measurement: Measurement, precharge_v: float) -> None:
    cycles, volts = (measurement.arrays[f"{what} {layer['name']}"] for what in ("cycles", "volts"))
    for number, column in enumerate(layer["columns"]):
        axes.plot(cycles, volts[:, number], color=_TRACES[number], linewidth=1, label=f"column {column}")
    for index, ramp in enumerate(layer["ramps"]):
        time = np.array([ramp["start"], ramp["stop"]])
        level = ramp["from_v"] + ramp["v_per_ns"] * (time - ramp["start"])
        axes.plot(time, level, color="#009e73", linestyle="--", linewidth=1, label=None if index else "ramp")
        for number, cycle in enumerate(ramp["crossings"]):
            if ramp["start"] < cycle < ramp["stop"]:
                level_v = ramp["from_v"] + ramp["v_per_ns"] * (cycle - ramp["start"])
                axes.plot(cycle, level_v, "o", color=_TRACES[number], markersize=3.5)
    axes.axhline(precharge_v, color="#999999", linewidth=0.5, linestyle=":")
    axes.set_ylabel(f"{layer['tile'].replace(', ', chr(10))}, V", fontsize=7)
    axes.legend(fontsize=6.5, loc="upper left", frameon=False)


def _draw_waves(axes: "Axes", waves: Any, end: int) -> None:
    for row, wave in enumerate(waves):
        time, level = [0], [0.0]
        for start, stop in wave["spans"]:
            if start == stop:
                continue
            time += [start, start, stop, stop]
            level += [0.0, 0.7, 0.7, 0.0]
        time.append(end)
        level.append(0.0)
        axes.plot(time, row + 0.35 - np.array(level), color="black", linewidth=0.8)
    axes.set_yticks(range(len(waves)), [wave["name"] for wave in waves])
    axes.set_ylim(len(waves) - 0.4, -0.6)


def _engine(numbers: Mapping[str, Any]) -> str:
    return {"rtl": "RTL", "twin": "twin"}.get(numbers["engine"], str(numbers["engine"]))


def _about(measurement: Measurement) -> str:
    """What was done, of this run."""
    numbers = measurement.numbers
    return (
        f"{counted(numbers['frames'], 'frame')} on the {_engine(numbers)} of a chip of "
        f"{counted(numbers['tiles'], 'tile')}, with every event at the analog boundary recorded: row pulses, ramps, "
        "comparator answers, counted codes. Lanes follow from the controller programs (levels are in force two cycles "
        "after their instruction), durations of pulses are those recorded. Capacitor voltages are not digital, so the "
        "run does not hold them: the recorded events go once more through the same physics, whose comparators must "
        f"answer exactly as recorded (else there is no figure), as {numbers['comparator_pulses_replayed']:,} pulses "
        f"did; within an integration it is looked at {counted(numbers['looks'], 'time')}, with pulses cut off at "
        "that moment, and "
        "straight lines join what was seen. The chip has the calibrated weights and bias rows, programmed once. "
        "Columns shown: the longest comparator pulse that ends with the crossing, a middle one, and the shortest of "
        "all."
    )


def _caption(measurement: Measurement) -> str:
    numbers = measurement.numbers
    columns = listed(f"{counted(len(layer['columns']), 'column')} of {layer['name']}" for layer in numbers["layers"])
    return (
        f"One frame of {counted(len(numbers['steps']), 'step')}: what each unit does (a minus: discharging; x+ and "
        f"x\u2212: positive and negative inputs); capacitor voltages of {columns}, with the readout's ramp and the "
        "crossings that were recorded; pulses on single wires."
    )


STUDY = Study(
    name="timing",
    title="A frame of keyword spotting, nanosecond by nanosecond",
    about=_about,
    measure=measure,
    figures=(Figure("timing", _caption, draw_timing),),
)
