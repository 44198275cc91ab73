"""Study: how exact the chip's MACs are, and what makes them inexact."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.programming import Programming
from cosim.compiler import LayerOptions, MappingOptions, compile_network
from cosim.engines.twin.engine import TwinEngine
from cosim.figures import mac_pictures as pictures
from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.mechanisms import MECHANISMS, TRANSPORT, idealised
from cosim.figures.single_layer import compile_layer, mac_error, moved, program_chip, random_layer, random_rows
from cosim.figures.study import Figure, Study
from cosim.files.wording import counted, listed
from cosim.graph.feed_forward import Activation
from cosim.program import LayerPlan, Mode
from cosim.workloads.kws.report import correlation, rms_error_percent
from cosim.workloads.kws.workload import classify

__all__ = ["STUDY", "code_error_percent", "effective_bits", "measure", "variants"]

Part = Mapping[str, NDArray]

#: Chips of the study; clips that its networks run on and are calibrated with; frames of a random layer.
_CHIPS, _CLIPS, _CALIBRATION, _FRAMES = 3, 500, 250, 400
_QUICK_CHIPS, _QUICK_CLIPS, _QUICK_CALIBRATION, _QUICK_FRAMES, _QUICK_COLUMNS = 1, 60, 60, 60, 64
_BALANCED = LayerOptions(mode=Mode.BALANCED)
#: The error budget's chip whose layers all read both pairs at once.
WITHOUT_BALANCE = "without asymmetry balance"
#: Capacitors on which the weights that stay the same have the nominal swing.
_FITTING = 4
_MISMATCHES, _QUICK_MISMATCHES = (0.0, 0.01, 0.02, 0.04, 0.08), (0.0, 0.08)
_ROWS = (8, 16, 32, 64, 128, 256, 512)


def effective_bits(span: float, rms: float) -> float:
    """Bits of a converter whose rounding would make this error: log2(span / (rms sqrt(12))), both in one unit."""
    return float(np.log2(span / (rms * np.sqrt(12))))


def code_error_percent(software: NDArray[np.float64], plan: LayerPlan) -> float:
    """What rounding to whole codes would make of exact outputs, in % of the full scale, rms."""
    durations = plan.code_zero + plan.code_scale * software
    return rms_error_percent(plan.value(plan.codes(durations)), software)


@dataclass(frozen=True)
class Variant:
    """A chip of the error budget."""

    analog: AnalogConfig
    options: MappingOptions = field(default_factory=MappingOptions)


def variants(nominal: AnalogConfig, quick: bool) -> dict[str, Variant]:
    """All chips of the error budget, by name; in quick mode only those between which all others lie."""
    ideal = idealised(nominal)
    found = {"nominal": Variant(nominal), "ideal": Variant(ideal)}
    if quick:
        return found
    for mechanism in MECHANISMS:
        found[f"without {mechanism.name}"] = Variant(mechanism.without(nominal))
        found[f"only {mechanism.name}"] = Variant(mechanism.added_to(ideal, nominal))
    found[f"with {TRANSPORT.name}"] = Variant(TRANSPORT.added_to(nominal, nominal))
    found[f"only {TRANSPORT.name}"] = Variant(TRANSPORT.added_to(ideal, nominal))
    found[WITHOUT_BALANCE] = Variant(nominal, MappingOptions(balance=False))
    return found


def _values(parts: Sequence[Part], name: str, index: int) -> list[float]:
    """One number of each chip."""
    return [float(part[name][index]) for part in parts]


def measure(campaign: Campaign) -> Measurement:
    """All parts of the study, each on the chips of the same seeds."""
    return _Session(campaign).measure()


class _Session:
    """One measurement on its way."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign, self.quick = campaign, campaign.quick
        self.seeds = campaign.seeds[: _QUICK_CHIPS if self.quick else _CHIPS]
        self.clips = campaign.clips.evenly(_QUICK_CLIPS if self.quick else _CLIPS)
        self.calibration = campaign.calibration.evenly(_QUICK_CALIBRATION if self.quick else _CALIBRATION)
        self.frames = _QUICK_FRAMES if self.quick else _FRAMES
        self.mismatches = _QUICK_MISMATCHES if self.quick else _MISMATCHES
        self.columns = min(_QUICK_COLUMNS, campaign.config.lanes) if self.quick else campaign.config.lanes

    def measure(self) -> Measurement:
        budget = self._budget()
        plans = compile_network(self.campaign.model.network, self.campaign.config).layers
        layers: dict[str, Any] = {}
        for index, plan in enumerate(plans):
            span = 100.0 if plan.activation is Activation.RELU else 200.0
            layers[plan.name] = {
                "mode": str(plan.mode),
                "readout_span_percent": span,
                "correlation": _values(budget["nominal"], "correlations", index),
                "rms_error_percent": _values(budget["nominal"], "errors", index),
                "code_error_percent": _values(budget["nominal"], "code errors", index),
                "effective_bits": [effective_bits(span, rms) for rms in _values(budget["nominal"], "errors", index)],
                "correlation_without_balance": _values(budget.get(WITHOUT_BALANCE, []), "correlations", index),
            }
        numbers: dict[str, Any] = {
            "data": self.clips.source,
            "clips": len(self.clips),
            "calibration": self.calibration.source,
            "calibration_clips": len(self.calibration),
            "tolerance_percent": 100 * Programming().tolerance,
            "chips": list(self.seeds),
            "seeds": describe_seeds(self.seeds),
            "random_data": f"random layers of {self.columns} columns, {self.frames} random input vectors",
            "layers": layers,
            "budget_percent": {
                name: {plan.name: _values(parts, "errors", index) for index, plan in enumerate(plans)}
                for name, parts in budget.items()
            },
            "modes": self._modes(),
            "capacitors": self._capacitors(),
            "rows": self._rows(),
        }
        arrays = {name: array for name, array in budget["nominal"][0].items() if name.startswith("layer")}
        return Measurement(numbers, arrays, tuple(_findings(numbers)))

    def __reduce__(self) -> tuple[type, tuple[Campaign]]:
        """A worker takes the clips from the campaign itself."""
        return _Session, (self.campaign,)

    def _parts(self, key: str, make: Callable[[int], dict[str, Any]]) -> list[Part]:
        """A part of every chip."""
        found = self.campaign.parts({f"{key}, chip {seed}": partial(make, seed)} for seed in self.seeds)
        return [found[f"{key}, chip {seed}"] for seed in self.seeds]

    # The keyword-spotting network -------------------------------------------------------------------------------------

    def _budget(self) -> dict[str, list[Part]]:
        """Variant -> what was measured on each chip."""
        chips = variants(self.campaign.analog, self.quick)
        makers = {
            (name, seed): partial(
                self._network, seed, variant=chips[name], keep=name == "nominal" and seed == self.seeds[0]
            )
            for name, seed in product(chips, self.seeds)
        }
        parts = self.campaign.parts({f"{name}, chip {seed}": make} for (name, seed), make in makers.items())
        return {name: [parts[f"{name}, chip {seed}"] for seed in self.seeds] for name in chips}

    def _network(self, seed: int, *, variant: Variant, keep: bool) -> dict[str, Any]:
        """Errors and correlations of the layers of one calibrated chip; with `keep` also what is behind them."""
        chip = self.campaign.calibrated(seed, analog=variant.analog, options=variant.options, inputs=self.calibration)
        report = classify(self.campaign.model, self.clips, chip, TwinEngine(), seed=seed)
        pairs = {name: (ours, own) for name, (ours, own, _) in report.layers.items()}
        found: dict[str, Any] = {
            "errors": np.array([rms_error_percent(*pair) for pair in pairs.values()]),
            "correlations": np.array([correlation(*pair) for pair in pairs.values()]),
            "code errors": np.array(
                [
                    code_error_percent(own, plan)
                    for (_, own), plan in zip(pairs.values(), chip.program.layers, strict=True)
                ]
            ),
        }
        if keep:
            for name, (ours, own) in pairs.items():
                found |= {f"{name} chip": ours.astype(np.float32), f"{name} software": own.astype(np.float32)}
        return found

    # Random layers ----------------------------------------------------------------------------------------------------

    def _modes(self) -> dict[str, Any]:
        """One matrix on two or four devices a weight; and a mismatch of the read paths that tuning has not seen."""
        parts = self._parts("device modes", self._modes_of)
        return {
            "rows": 2 * self.campaign.config.lanes,
            "columns": self.columns,
            "rms_error_percent": {mode: [float(part[f"{mode} tuned"]) for part in parts] for mode in Mode},
            "path_mismatch_percent": [100 * value for value in self.mismatches],
            "untuned_rms_error_percent": {
                mode: np.stack([part[f"{mode} untuned"] for part in parts]).tolist() for mode in Mode
            },
        }

    def _modes_of(self, seed: int) -> dict[str, Any]:
        config, nominal = self.campaign.config, self.campaign.analog
        rows = 2 * config.lanes
        layer, inputs = random_layer(rows, self.columns), random_rows(self.frames, rows)

        def with_mismatch(sigma: float) -> AnalogConfig:
            return replace(nominal, periphery=replace(nominal.periphery, path_mismatch_sigma=sigma))

        found: dict[str, Any] = {}
        for mode in Mode:
            program = compile_layer(layer, config, nominal, LayerOptions(mode=mode))
            tuned = program_chip(program, nominal, seed)
            found[f"{mode} tuned"] = 100 * mac_error(program, tuned, layer, inputs).rms
            chip = program_chip(program, with_mismatch(0), seed)
            found[f"{mode} untuned"] = [
                100 * mac_error(program, moved(chip, program, with_mismatch(sigma)), layer, inputs).rms
                for sigma in self.mismatches
            ]
        return found

    def _capacitors(self) -> dict[str, Any]:
        """One matrix of a tile's size on 1 to 8 capacitors."""
        parts = self._parts("capacitors", self._capacitors_of)
        lanes = self.campaign.config.lanes
        found: dict[str, Any] = {
            "rows": lanes,
            "columns": self.columns,
            "count": parts[0]["count"].tolist(),
            "capacitance_ff": (parts[0]["count"] * self.campaign.analog.periphery.capacitor_ff).tolist(),
            "fitting_count": _FITTING,
        }
        for name in ("constant weights", "constant swing"):
            for devices in ("", ", ideal devices"):
                found[name + devices] = np.stack([part[name + devices] for part in parts]).tolist()
        return found

    def _capacitors_of(self, seed: int) -> dict[str, Any]:
        config, nominal = self.campaign.config, self.campaign.analog
        # Devices without errors show what the capacitors do to the periphery's.
        ideal_devices = replace(nominal, pcm=idealised(nominal).pcm)
        counts = (1, 4, 8) if self.quick else tuple(range(1, 9))
        layer, inputs = random_layer(config.lanes, self.columns), random_rows(self.frames, config.lanes)
        found: dict[str, Any] = {"count": np.array(counts)}
        for suffix, analog in (("", nominal), (", ideal devices", ideal_devices)):
            fitting = compile_layer(layer, config, analog, replace(_BALANCED, capacitors=_FITTING))
            same = replace(_BALANCED, weight_scale=fitting.layers[0].weight_scale)
            chip = program_chip(fitting, analog, seed)
            weights, swing = [], []
            for count in counts:
                program = compile_layer(layer, config, analog, replace(same, capacitors=count))
                weights.append(100 * mac_error(program, chip, layer, inputs).rms)
                program = compile_layer(layer, config, analog, replace(_BALANCED, capacitors=count))
                swing.append(100 * mac_error(program, program_chip(program, analog, seed), layer, inputs).rms)
            found |= {f"constant weights{suffix}": weights, f"constant swing{suffix}": swing}
        return found

    def _rows(self) -> dict[str, Any]:
        """One matrix of a tile's size, some of whose rows get pulses."""
        lanes = self.campaign.config.lanes
        driven = [rows for rows in _ROWS if rows <= lanes]
        parts = self._parts("rows driven", partial(self._rows_of, driven=driven))
        rms, signal = (np.stack([part[name] for part in parts]) for name in ("rms", "signal"))
        return {
            "of": lanes,
            "driven": driven,
            "rms_error_percent": (100 * rms).tolist(),
            "effective_bits_of_full_scale": np.log2(2 / (rms * np.sqrt(12))).tolist(),
            "effective_bits_of_signal": np.log2(6 * signal / (rms * np.sqrt(12))).tolist(),
        }

    def _rows_of(self, seed: int, *, driven: Sequence[int]) -> dict[str, Any]:
        config, nominal = self.campaign.config, self.campaign.analog
        layer = random_layer(config.lanes, self.columns)
        program = compile_layer(layer, config, nominal, _BALANCED)
        chip = program_chip(program, nominal, seed)
        errors = [
            mac_error(program, chip, layer, random_rows(self.frames, config.lanes, driven=rows)) for rows in driven
        ]
        return {"rms": [error.rms for error in errors], "signal": [error.signal for error in errors]}


def _findings(numbers: Mapping[str, Any]) -> list[Finding]:
    network = partial(Finding.over, engine="twin", data=numbers["data"], seeds=numbers["seeds"])
    random = partial(Finding.over, engine="twin", data=numbers["random_data"], seeds=numbers["seeds"])
    budget = numbers["budget_percent"]
    found = []
    for name, layer in numbers["layers"].items():
        found += [
            network(
                f"correlation of {name} with software fed with the chip's own input",
                np.array(layer["correlation"]),
                "1",
                digits=4,
                paper="a scatter plot, no figure in the text; our own limit is 0.95",
                source="Nature 620, 768 (2023), Fig. 3f",
            ),
            network(f"rms error of {name}, outputs in range", np.array(layer["rms_error_percent"]), "%"),
            network(f"effective bits of {name}", np.array(layer["effective_bits"]), "bit"),
        ]
        least = np.mean(budget["ideal"][name])
        for mechanism in (variant for variant in budget if variant.startswith("only ")):
            if np.mean(budget[mechanism][name]) > 2 * least:  # the others are in the figure
                text = f"rms error of {name}, outputs in range, {mechanism}; without any mechanism {least:.2f} %"
                found.append(network(text, np.array(budget[mechanism][name]), "%"))
        if WITHOUT_BALANCE in budget and layer["mode"] == Mode.BALANCED:
            ratio = np.array(budget[WITHOUT_BALANCE][name]) / np.array(budget["nominal"][name])
            found.append(
                network(f"rms error of {name}, outputs in range, without asymmetry balance over with it", ratio, "1")
            )
    modes = numbers["modes"]
    tuned = {mode: np.array(modes["rms_error_percent"][mode]) for mode in Mode}
    untuned = {mode: np.array(modes["untuned_rms_error_percent"][mode])[:, -1] for mode in Mode}
    mismatch = f"{modes['path_mismatch_percent'][-1]:.0f} % of path mismatch that tuning has not seen"
    rows = numbers["rows"]
    found += [
        random("rms error, 2 PCM over balanced 4 PCM", tuned[Mode.STACKED] / tuned[Mode.BALANCED], "1"),
        random("rms error, 4 PCM without balance over balanced", tuned[Mode.DOUBLE] / tuned[Mode.BALANCED], "1"),
        random(
            f"rms error, 4 PCM without balance over balanced, {mismatch}",
            untuned[Mode.DOUBLE] / untuned[Mode.BALANCED],
            "1",
        ),
        random(
            f"effective bits of a MAC over {rows['driven'][-1]} rows, of its full scale",
            np.array(rows["effective_bits_of_full_scale"])[:, -1],
            "bit",
            paper="4.1, of the RNN-T's weights, by its word error rate: another measure",
            source="Nature 620, 768 (2023), Methods",
            headline=True,
        ),
    ]
    return found


def _about(measurement: Measurement) -> str:
    """What was done, of this run."""
    numbers = measurement.numbers
    mechanisms, modes, rows = pictures.mechanisms_of(numbers), numbers["modes"], numbers["rows"]
    if mechanisms:
        budget = (
            f"For the error budget {numbers['seeds']} are programmed and calibrated anew for each of "
            f"{counted(len(mechanisms), 'mechanism')}, without it (with it, if the chip has none of it) and with "
            "it alone; their random numbers are otherwise the same."
        )
    else:
        budget = "Of the error budget this run has both ends only: all mechanisms, and none."
    return (
        f"Every layer of the keyword-spotting network, {listed(numbers['layers'])}, is compared with software that is "
        f"fed with the chip's own input: {counted(numbers['clips'], 'clip')} on {numbers['seeds']}, calibrated with "
        f"{counted(numbers['calibration_clips'], 'clip')}, the state in which a chip is used. The error is that of the "
        f"outputs that the readout shows: where software has 0 or saturates, it is hidden. {budget} The code's "
        "rounding cannot be switched off: its part is computed from the same MACs. Without errors of programming, "
        f"weights still end anywhere within the tuning's tolerance of {numbers['tolerance_percent']:g} %. Modes of the "
        f"devices are measured on a random matrix of {modes['rows']:,} x {modes['columns']}, capacitors and rows on "
        f"one of {rows['of']:,} x {modes['columns']}, which are compiled to the chip by themselves; their error is "
        "that about each column's own line, because slopes and offsets are calibration's work. Effective bits are "
        "those of a converter whose rounding would make the same error: log2 of the span over sqrt(12) times the "
        "error."
    )


STUDY = Study(
    name="mac",
    title="Multiply-accumulate",
    about=_about,
    measure=measure,
    figures=(
        Figure("mac-correlation", pictures.caption_of_correlations, pictures.correlations),
        Figure("mac-budget", pictures.caption_of_budget, pictures.draw_budget),
        Figure("mac-modes", pictures.caption_of_modes, pictures.draw_modes),
        Figure("mac-capacitors", pictures.caption_of_capacitors, pictures.draw_capacitors),
        Figure("mac-bits", pictures.caption_of_bits, pictures.draw_bits),
    ),
)
