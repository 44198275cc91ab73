"""Study: what makes a MAC depend on more than each row's own pulse, and what asymmetry balance takes away of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from cosim.compiler import LayerOptions
from cosim.figures import linearity_pictures as pictures
from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.mechanisms import LINEARITY, Mechanism, idealised
from cosim.figures.single_layer import compile_layer, mac_error, moved, program_chip, random_layer, random_rows
from cosim.figures.study import Figure, Study
from cosim.files.wording import span_in_words
from cosim.program import Mode, Program

__all__ = ["STUDY", "measure"]

Part = Mapping[str, NDArray]

_CHIPS, _FRAMES = 3, 400
_QUICK_CHIPS, _QUICK_FRAMES, _QUICK_COLUMNS = 1, 60, 64
#: Multiples of the nominal constants; ohm of a wire per cell.
_FACTORS, _QUICK_FACTORS = (0.5, 1.0, 2.0, 4.0), (1.0, 4.0)
_WIRES_OHM = (0.05, 0.15, 0.35)
#: Spread between the two paths of a column: of their gains, and of their compression.
_GAINS, _COMPRESSIONS = (0.0, 0.02, 0.04, 0.08), (0.0, 0.2, 0.4, 0.8)
_MODES = (Mode.DOUBLE, Mode.BALANCED)
#: What is swept: every nonlinearity, and what else of the capacitors and mirrors has a constant of our own.
_SWEPT = (
    *LINEARITY,
    Mechanism("capacitors' mismatch", ("periphery.capacitor_sigma",)),
    Mechanism("droop by column", ("periphery.droop_v_per_s", "periphery.droop_spread")),
    Mechanism("shot noise", ("periphery.shot_noise",)),
)


@dataclass(frozen=True)
class _Mismatch:
    """A difference between the two read paths of a column, by the constant that spreads it."""

    constant: str
    values: tuple[float, ...]

    def of(self, analog: AnalogConfig, value: float) -> AnalogConfig:
        changes: dict[str, Any] = {self.constant: value}
        return replace(analog, periphery=replace(analog.periphery, **changes))


_MISMATCHES = {
    "gain": _Mismatch("path_mismatch_sigma", _GAINS),
    "compression": _Mismatch("compression_mismatch", _COMPRESSIONS),
}


def measure(campaign: Campaign) -> Measurement:
    """All parts of the study, each on the chips of the same seeds."""
    return _Session(campaign).measure()


class _Session:
    """One measurement on its way."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign, quick = campaign, campaign.quick
        self.seeds = campaign.seeds[: _QUICK_CHIPS if quick else _CHIPS]
        self.frames = _QUICK_FRAMES if quick else _FRAMES
        self.factors = _QUICK_FACTORS if quick else _FACTORS
        self.rows = campaign.config.lanes
        self.columns = min(_QUICK_COLUMNS, self.rows) if quick else self.rows
        self.layer = random_layer(self.rows, self.columns)
        self.inputs = random_rows(self.frames, self.rows)

    def __reduce__(self) -> tuple[type, tuple[Campaign]]:
        """A worker draws the layer and the inputs itself."""
        return _Session, (self.campaign,)

    def measure(self) -> Measurement:
        parts: dict[str, list[Part]] = {"alone": [], "paths": [], "wide": []}
        makers: dict[str, Callable[[int], dict[str, Any]]] = {
            "alone": self._alone,
            "paths": self._paths,
            "wide": self._wide,
        }
        found = self.campaign.parts(
            {f"{name}, chip {seed}": partial(make, seed)} for seed in self.seeds for name, make in makers.items()
        )
        for name in makers:
            parts[name] = [found[f"{name}, chip {seed}"] for seed in self.seeds]

        def over_chips(name: str, key: str) -> list[Any]:
            return np.stack([part[key] for part in parts[name]]).tolist()

        numbers: dict[str, Any] = {
            "seeds": describe_seeds(self.seeds),
            "data": f"a random layer, {self.rows} x {self.columns}, {self.frames} random input vectors",
            "rows": self.rows,
            "columns": self.columns,
            "factors": list(self.factors),
            "wires_ohm": list(_WIRES_OHM),
            "alone_percent": {mechanism.name: over_chips("alone", mechanism.name) for mechanism in _SWEPT},
            "wires_percent": over_chips("alone", "wires"),
            "all_percent": over_chips("alone", "all"),
            "none_percent": over_chips("alone", "none"),
            "nominal_percent": over_chips("alone", "nominal"),
            "nominal_without_percent": over_chips("alone", "nominal without"),
            "mismatches": {name: list(mismatch.values) for name, mismatch in _MISMATCHES.items()},
            "paths_percent": {
                name: {mode: over_chips("paths", f"{name} {mode}") for mode in _MODES} for name in _MISMATCHES
            },
            "currents_ua": {name: over_chips("paths", f"{name} current") for name in ("verification", "MAC")},
            "wide_percent": {name: over_chips("wide", name) for name in ("combined", "per tile")},
        }
        return Measurement(numbers, {}, tuple(_findings(numbers)))

    def _error(self, program: Program, chip: AnalogChip) -> float:
        return 100 * mac_error(program, chip, self.layer, self.inputs).rms

    def _alone(self, seed: int) -> dict[str, Any]:
        """Each mechanism on a chip that is ideal otherwise, more and less of it; all of them; and the whole chip."""
        nominal = self.campaign.analog
        ideal = idealised(nominal)
        program = compile_layer(self.layer, self.campaign.config, ideal, LayerOptions(mode=Mode.BALANCED))
        chip = program_chip(program, ideal, seed)

        def error(analog: AnalogConfig) -> float:
            return self._error(program, moved(chip, program, analog))

        def more(mechanism: Mechanism, factor: float) -> AnalogConfig:
            return mechanism.scaled(mechanism.added_to(ideal, nominal), factor)

        everything, linear = ideal, nominal
        for mechanism in LINEARITY:
            everything, linear = mechanism.added_to(everything, nominal), mechanism.without(linear)
        wires = [replace(ideal, periphery=replace(ideal.periphery, wire_ohm=ohm)) for ohm in _WIRES_OHM]
        found: dict[str, Any] = {
            mechanism.name: [error(more(mechanism, factor)) for factor in self.factors] for mechanism in _SWEPT
        }
        found |= {"wires": [error(analog) for analog in wires], "all": error(everything), "none": error(ideal)}
        tuned = compile_layer(self.layer, self.campaign.config, nominal, LayerOptions(mode=Mode.BALANCED))
        devices = program_chip(tuned, nominal, seed)
        found["nominal"] = self._error(tuned, devices)
        found["nominal without"] = self._error(tuned, moved(devices, tuned, linear))
        return found

    def _paths(self, seed: int) -> dict[str, Any]:
        """Paths that differ, each weight tuned through them in closed loop; with asymmetry balance and without."""
        # Devices without errors, but tuned: what they leave is the tolerance of the loop.
        ideal = idealised(self.campaign.analog)
        plain = replace(ideal, pcm=replace(ideal.pcm, exact_write=False))
        nominal = self.campaign.analog.periphery
        plain = replace(plain, periphery=replace(plain.periphery, compression_per_ua=nominal.compression_per_ua))
        found: dict[str, Any] = {}
        for mode in _MODES:
            program = compile_layer(self.layer, self.campaign.config, plain, LayerOptions(mode=mode))
            for name, mismatch in _MISMATCHES.items():
                errors = []
                for value in mismatch.values:
                    analog = mismatch.of(plain, value)
                    errors.append(self._error(program, program_chip(program, analog, seed)))
                found[f"{name} {mode}"] = errors
        tile = program_chip(program, plain, seed).tile(program.tiles[0])
        g_us = tile.cells.read_us()[:2, : self.rows, : self.columns]
        positive = np.maximum(program.input_codes(self.inputs), 0) > 0
        # Of a branch when the pulses begin: all rows with a pulse conduct.
        currents = np.stack([positive @ branch for branch in g_us]) * plain.periphery.read_voltage_v
        found["MAC current"] = np.quantile(currents, [0.5, 1.0])
        found["verification current"] = np.quantile(g_us[g_us > 0], [0.5, 1.0]) * plain.periphery.read_voltage_v
        return found

    def _wide(self, seed: int) -> dict[str, Any]:
        """A layer on two tiles that share their capacitors, with weights that were read so, and tile by tile."""
        nominal = self.campaign.analog
        layer, inputs = random_layer(2 * self.rows, self.columns), random_rows(self.frames, 2 * self.rows)
        program = compile_layer(layer, self.campaign.config, nominal, LayerOptions(mode=Mode.BALANCED))
        found = {}
        for name, combined in (("combined", True), ("per tile", False)):
            chip = program_chip(program, nominal, seed, combined=combined)
            found[name] = 100 * mac_error(program, chip, layer, inputs).rms
        return found


def _findings(numbers: Mapping[str, Any]) -> Iterator[Finding]:
    over = partial(Finding.over, engine="twin", data=numbers["data"], seeds=numbers["seeds"])
    unit, nominal = "%", numbers["factors"].index(1.0)
    none = np.array(numbers["none_percent"])
    for name, errors in numbers["alone_percent"].items():
        text = f"rms error of a balanced MAC, {name} alone; without any mechanism {np.mean(none):.2f} %"
        yield over(text, np.array(errors)[:, nominal], unit)
    for ohm, errors in zip(numbers["wires_ohm"], np.transpose(numbers["wires_percent"]), strict=True):
        yield over(f"rms error of a balanced MAC, a wire of {ohm} ohm a cell alone", errors, unit)
    circuits = [mechanism.name for mechanism in LINEARITY if mechanism.name != "IR drop"]
    of_circuits = np.sqrt(sum(np.array(numbers["alone_percent"][name])[:, nominal] ** 2 for name in circuits))
    drop = np.array(numbers["alone_percent"]["IR drop"])[:, nominal]
    yield over(
        "rms error by the circuits' nonlinearity, in squares, over that by IR drop",
        of_circuits / drop,
        "1",
        paper="the circuits' linearity and saturation matter more than IR drop; no figure",
        source="Nature 620, 768 (2023), Methods",
    )
    yield over("rms error of a chip's balanced MAC, all mechanisms", np.array(numbers["nominal_percent"]), unit)
    yield over("the same without nonlinearity", np.array(numbers["nominal_without_percent"]), unit)
    for name, values in numbers["mismatches"].items():
        without, balanced = (np.array(numbers["paths_percent"][name][mode])[:, -1] for mode in _MODES)
        text = f"rms error, 4 PCM without balance over balanced, paths whose {name} differs by {100 * values[-1]:.0f} %"
        yield over(
            f"{text}, weights tuned through them",
            without / balanced,
            "1",
            paper="asymmetry balance cancels fixed asymmetries of the periphery; no figure",
            source="Nature 620, 768 (2023), Methods",
            headline=name == "compression",
        )
    median, largest = np.array(numbers["currents_ua"]["MAC"]).T
    yield over("current of a branch when a MAC begins, median", median, "uA")
    yield over("current of a branch when a MAC begins, largest", largest, "uA")
    yield over("current of a verification, largest", np.array(numbers["currents_ua"]["verification"])[:, 1], "uA")
    for name, errors in numbers["wide_percent"].items():
        yield over(f"rms error of a balanced MAC on two tiles, verified {name}", np.array(errors), unit)


def _about(measurement: Measurement) -> str:
    """What was done, of this run."""
    numbers = measurement.numbers
    rows, columns, factors = numbers["rows"], numbers["columns"], numbers["factors"]
    return (
        f"A random matrix of {rows} x {columns} is compiled to the chip by itself ({numbers['seeds']}); its weights "
        "are uniform, which draws more current than a trained network's. The error is that about each column's own "
        "line, since slopes and offsets are calibration's work. First each mechanism stands alone on a chip that is "
        f"ideal otherwise, at {span_in_words(factors)} times its constant, which is our assumption; a wire has "
        f"{span_in_words(numbers['wires_ohm'])} ohm a cell, around aihwkit's. Then the two read paths of a column "
        "differ, by a factor or in how much they compress, on devices without errors whose weights are tuned in "
        "closed loop through these paths. Tuning reads a weight alone, where a difference of gain shows; a difference "
        "of compression shows with the current of all rows that have a pulse, and what a column loses by it depends "
        "on the input. Asymmetry balance sends the same current through both paths and turns one of the signs. A "
        f"layer of {2 * rows:,} rows shares the capacitors of two tiles: its weights are verified in this "
        "configuration, as the paper's were, and tile by tile."
    )


STUDY = Study(
    name="linearity",
    title="Linearity, IR drop and asymmetry balance",
    about=_about,
    measure=measure,
    figures=(
        Figure("linearity-alone", pictures.caption_of_alone, pictures.draw_alone),
        Figure("linearity-balance", pictures.caption_of_balance, pictures.draw_balance),
    ),
)
