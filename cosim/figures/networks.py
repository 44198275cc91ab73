"""Study: networks of several kinds on as many chips as they take, against float and the RTL against the twin."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.sample_networks import sample_networks
from cosim.figures.study import Figure, Study
from cosim.files.plotting import BLUE, ORANGE, new_figure
from cosim.files.wording import counted, listed
from cosim.system import BuildOptions, Network, Run, build
from cosim.system.inference import Inference, infer
from cosim.system.inputs import samples_of
from cosim.system.table import uses

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["STUDY"]

#: Of weights, of the inputs that ranges are chosen and chips calibrated with, and of those that are judged.
_WEIGHTS, _CALIBRATION, _JUDGED = 0, 1, 2
#: Sets of chips, at most.
_CHIPS = 3
#: Evaluations of the whole network by which ranges are refined.
_TRIALS = 24
#: Networks of a quick campaign.
_QUICK = 1


def measure(campaign: Campaign) -> Measurement:
    """Each network on chips without noise, on noisy ones, and on the RTL."""
    seeds = campaign.seeds[:_CHIPS]
    networks = sample_networks(_WEIGHTS, campaign.config.lanes)[: _QUICK if campaign.quick else None]
    numbers: list[dict[str, Any]] = []
    findings: list[Finding] = []
    keys = [f"network {at}, chips {seeds[0]}-{seeds[-1]}" for at in range(len(networks))]
    parts = campaign.parts({key: partial(_measured, campaign, at, seeds)} for at, key in enumerate(keys))
    for key, network in zip(keys, networks, strict=True):
        part = parts[key]
        layers = part["layers"].tolist()
        numbers.append(
            {
                "network": network.name,
                "weights": int(part["weights"]),
                "chips": int(part["chips"]),
                "tiles": part["tiles"].tolist(),
                "frame_ns": part["frame ns"].tolist(),
                "port_beats": part["port beats"].tolist(),
                "samples": int(part["samples"]),
                "ideal_error": float(part["ideal"]),
                "error": part["noisy"].tolist(),
                "layers": layers,
                "ideal_layer_error": part["ideal layers"].tolist(),
                "layer_error": part["noisy layers"].mean(0).tolist(),
                "frames_on_rtl": int(part["rtl frames"]),
                "codes_compared": int(part["codes"]),
            }
        )
        inputs = counted(int(part["samples"]), "sample")
        data = f"{network.name}, random weights (seed {_WEIGHTS}); {inputs} (seed {_JUDGED})"
        chips = {"data": data, "seeds": describe_seeds(seeds)}
        findings += [
            Finding(
                f"error of the outputs without noise, {network.name}",
                100 * float(part["ideal"]),
                "%",
                engine="twin, ideal",
                data=data,
                seeds="no device differs",
                digits=1,
            ),
            Finding.over(
                f"error of the outputs, {network.name}",
                100 * part["noisy"],
                "%",
                engine="twin",
                digits=1,
                **chips,
            ),
        ]
    findings.append(
        Finding(
            "codes of networks on the RTL that were compared with the twin's; all are equal",
            sum(one["codes_compared"] for one in numbers),
            "",
            engine="rtl",
            data=listed(one["network"] for one in numbers),
            seeds=describe_seeds(seeds[:1]),
            digits=0,
            headline=True,
        )
    )
    return Measurement({"networks": numbers}, findings=tuple(findings))


def _measured(campaign: Campaign, at: int, seeds: range) -> dict[str, NDArray]:
    network = sample_networks(_WEIGHTS, campaign.config.lanes)[at]
    campaign.say(f"{network.name}: placing it and choosing ranges")
    analog = campaign.analog
    whole = Network.of(network.graph)
    given = samples_of(network.graph, network.draw(np.random.default_rng(_CALIBRATION), network.samples))
    options = BuildOptions(analog=analog, trials=0 if campaign.quick else _TRIALS)
    image = build(whole, lambda: map(whole.walk, given), options, config=campaign.config)
    judged = samples_of(network.graph, network.draw(np.random.default_rng(_JUDGED), network.samples))

    def ran(what: str, engine: str, samples: int, seeds: range) -> Inference:
        campaign.say(f"{network.name}: {what}")
        return infer(image, judged[:samples], Run(engine, analog), seeds=seeds)

    ideal = ran("without noise", "ideal", len(judged), seeds[:1]).report.seeds[0]
    noisy = ran("on noisy chips", "twin", len(judged), seeds).report.seeds
    # Whoever compares raises an error at the first code that differs.
    rtl = ran("on the RTL, beside the twin", "both", network.on_rtl, seeds[:1]).report.seeds[0]
    used = list(uses(image.layout))
    return {
        "weights": np.array(sum(linear.weights.size for linear in whole.matrices.values())),
        "chips": np.array(len(used)),
        "tiles": np.array([chip.tiles for chip in used]),
        "frame ns": np.array([chip.frame_ns for chip in used]),
        "port beats": np.array([chip.port_beats for chip in used]),
        "samples": np.array(len(judged)),
        "layers": np.array([layer.node for layer in ideal.layers], np.str_),
        "ideal": np.array(ideal.errors["y"]),
        "noisy": np.array([chips.errors["y"] for chips in noisy]),
        "ideal layers": np.array([layer.own for layer in ideal.layers]),
        "noisy layers": np.array([[layer.own for layer in chips.layers] for chips in noisy]),
        "rtl frames": np.array(rtl.frames),
        "codes": np.array(rtl.compared_codes),
    }


def draw_errors(measurement: Measurement) -> "Picture":
    """Errors of the outputs, network by network."""
    networks = measurement.numbers["networks"]
    figure, axes = new_figure(7.2, 0.9 + 0.7 * len(networks))
    for at, one in enumerate(reversed(networks)):
        axes.plot(100 * one["ideal_error"], at, "o", color=BLUE, label="chips without noise" if not at else None)
        errors = 100 * np.array(one["error"])
        axes.plot(
            errors, np.full(len(errors), at), "o", color=ORANGE, mfc="none", label="noisy chips" if not at else None
        )
    axes.set_yticks(range(len(networks)), [one["network"] for one in reversed(networks)])
    axes.set(xlabel="error of the outputs against float, %", xlim=(0, None), ylim=(-0.6, len(networks) - 0.4))
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure


def draw_layers(measurement: Measurement) -> "Picture":
    """Errors that every matrix adds itself."""
    rows = [
        (f"{name}, {one['network'].split(',')[0]}", ideal, noisy)
        for one in measurement.numbers["networks"]
        for name, ideal, noisy in zip(one["layers"], one["ideal_layer_error"], one["layer_error"], strict=True)
    ][::-1]
    places = np.arange(len(rows))
    figure, axes = new_figure(7.2, 1.0 + 0.25 * len(rows))
    axes.barh(places, [100 * noisy for _, _, noisy in rows], color=ORANGE, height=0.6, label="noisy chips, mean")
    axes.barh(places, [100 * ideal for _, ideal, _ in rows], color=BLUE, height=0.3, label="chips without noise")
    axes.set_yticks(places, [name for name, _, _ in rows], fontsize=7)
    axes.set(xlabel="error that the matrix adds, % of its outputs")
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure


def _about(measurement: Measurement) -> str:
    networks = measurement.numbers["networks"]
    chips = listed(
        f"{one['network']} ({one['weights']:,} weights, {counted(one['chips'], 'chip')})" for one in networks
    )
    frames, codes = (sum(one[key] for one in networks) for key in ("frames_on_rtl", "codes_compared"))
    return (
        f"Placed, programmed and calibrated by the program: {chips}. Weights are random, as before any training; they "
        "leave much of the devices' range empty. An error is the root of square error over square, against the same "
        f"network in float. {counted(frames, 'frame')} of chips went through the RTL as well, and all {codes:,} codes "
        "were the twin's."
    )


STUDY = Study(
    name="networks",
    title="Networks of any kind",
    about=_about,
    measure=measure,
    figures=(
        Figure(
            "errors",
            "What a network loses on chips without noise and on noisy ones; each circle is a set of chips.",
            draw_errors,
        ),
        Figure("layers", "What every matrix adds itself, fed with what it got.", draw_layers),
    ),
)
