"""Study: the paper's speech transcription on chips, layer by layer, with fewer levels, more rows, older, shorter."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.figures import rnnt_pictures as pictures
from cosim.figures.campaign import Campaign, Make, describe_seeds
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.programming_measurement import squared_correlation
from cosim.figures.rnnt_measurement import (
    WEEK_S,
    Sentences,
    few_bits,
    half_as_long,
    in_float,
    macs,
    on_chips,
    read_weights,
    readings,
    rows_on_chip,
    simulated_rows,
)
from cosim.figures.rnnt_trends import Readings, bits_for, equivalent_rate, trends, verdicts
from cosim.figures.study import Figure, Study
from cosim.files.wording import counted
from cosim.workloads.rnnt.quantised import LAYERS

__all__ = ["STUDY", "measure"]

Array = NDArray[np.float64]
Parts = Mapping[str, Mapping[str, NDArray]]

_NATURE = "Nature 620, 768 (2023)"
#: Sets of chips, at most; sentences, and of a quick campaign.
_CHIPS, _SENTENCES, _QUICK = 3, 60, 6
#: Bits of the weights of single layers, and of all of them.
_BITS, _QUICK_BITS = (2, 3, 4), (2, 4)
_BITS_OF_ALL, _QUICK_BITS_OF_ALL = (3, 3.5, 4, 4.5, 5, 5.4, 6), (3, 5)
#: What has few bits: all layers, all but the joint network's last one, which is on no chip, and every layer.
_ALL, _ON_CHIPS = "*", ",".join(layer for layer in LAYERS if layer != "joint-fc")
#: Rows of Enc-LSTM0's input matrix over inputs, on chips and simulated; longest pulses, ns.
_TIMES, _SIMULATED, _DURATIONS = (1, 2, 4), (1, 1.5, 2, 4), (255, 127)
_KINDS = ("averaged 1", *(f"{how} {number}" for number in _TIMES[1:] for how in ("averaged", "expanded")))

#: Sentences that are shown.
_EXAMPLES = 8


def measure(campaign: Campaign, sentences: Sentences | None = None) -> Measurement:
    """Everything, on the campaign's first chips; by default sentences of its audio."""
    campaign.say("reading sentences")
    seeds = tuple(campaign.seeds[:_CHIPS])
    sentences = sentences or Sentences(audio=campaign.audio, clips=_QUICK if campaign.quick else _SENTENCES)
    made = campaign.parts(_groups(campaign, sentences, seeds))
    parts = {key.removesuffix(f", {sentences.content}"): part for key, part in made.items()}
    return summarise(parts, seeds, sentences.task.source, _bits(campaign), campaign.analog.devices)


def _bits(campaign: Campaign) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return (_QUICK_BITS, _QUICK_BITS_OF_ALL) if campaign.quick else (_BITS, _BITS_OF_ALL)


def _groups(campaign: Campaign, sentences: Sentences, seeds: Sequence[int]) -> Iterator[Mapping[str, Make]]:
    """Parts; those of one group share their chips. Their keys name network and sentences, too.

    What compares layers, rows and pulses with each other is read on the first chips, as the paper has one set.
    """

    def named(parts: Mapping[str, Make]) -> dict[str, Make]:
        return {f"{key}, {sentences.content}": make for key, make in parts.items()}

    of_layers, of_all = _bits(campaign)
    few = {"all": (_ALL, of_all), "on chips": (_ON_CHIPS, of_all), **{layer: (layer, of_layers) for layer in LAYERS}}
    yield named({"software": partial(in_float, sentences)})
    for name, (layers, bits) in few.items():
        yield named({f"bits, {name}": partial(few_bits, sentences, layers, bits)})
    yield named({"simulated": partial(simulated_rows, sentences, _SIMULATED)})
    chips = partial(on_chips, campaign, sentences)
    yield named({"ideal": partial(chips, None)})
    first = seeds[0]
    for seed in seeds:
        group: dict[str, Make] = {f"whole, chips {seed}": partial(chips, seed)}
        group[f"a week, chips {seed}"] = partial(chips, seed, aged_s=WEEK_S)
        if seed == first:
            for name, only in readings().items():
                group[f"{name}, chips {seed}"] = partial(chips, seed, only=only)
            group["macs"] = partial(macs, campaign, sentences, seed)
            group["weights"] = partial(read_weights, campaign, sentences, seed)
        yield named(group)
    for kind in _KINDS:
        yield named({f"{kind}, chips {first}": partial(rows_on_chip, campaign, sentences, kind, first)})
    for duration in _DURATIONS:
        key = f"pulses {duration}, chips {first}"
        yield named({key: partial(half_as_long, campaign, sentences, duration, first)})


def summarise(
    parts: Parts, seeds: Sequence[int], data: str, bits: tuple[Sequence[float], Sequence[float]], devices: str
) -> Measurement:
    """Numbers, arrays and findings of all parts.

    Parameters
    ----------
    parts : mapping of str to arrays
    seeds : sequence of int
        Of the chips.
    data : str
        What was heard.
    bits : (sequence, sequence) of float
        Of single layers, and of all.
    devices : str
    """
    of_layers, of_all = bits
    found = _readings(parts, seeds)
    curves = {
        name: [float(one.sum() / found.words.sum()) for one in parts[f"bits, {name}"]["errors"]]
        for name in ("all", "on chips", *LAYERS)
    }
    limit = equivalent_rate(found.rate("software"))
    grids = {name: of_layers if name in LAYERS else of_all for name in curves}
    alone = [name for name in found.errors if name.startswith("alone, ")]
    together = [alone[0], *(name for name in found.errors if name.startswith("together, "))]
    told = [trend.to_json() for trend in trends(found, alone, [f"bits, {layer}" for layer in LAYERS], _TIMES)]
    numbers = {
        "seeds": list(seeds),
        "devices": devices,
        "data": data,
        "sentences": found.count,
        "words": int(found.words.sum()),
        # By reading: of every seed, in float of one.
        "wer": {name: found.rates(name).tolist() for name in found.errors},
        "wer_95": {name: found.interval(name) for name in found.errors},
        "lost_nats": {name: found.lost(name) for name in found.errors},
        "alone": alone,
        "together": together,
        "limit": limit,
        "bits": {name: list(grid) for name, grid in grids.items()},
        "wer_of_bits": curves,
        "threshold_bits": {name: bits_for(grids[name], curves[name], limit) for name in curves},
        "effective_bits": [bits_for(of_all, curves["on chips"], rate) for rate in found.rates("whole")],
        "row_errors": {kind: _deviation(parts[f"{kind}, chips {seeds[0]}"]["sums"]) for kind in _KINDS},
        "mac_errors": {name.removeprefix("sums "): _deviation(one) for name, one in _named(parts["macs"], "sums ")},
        "weights": _weights(parts["weights"]),
        "trends": told,
        "examples": _examples(parts, seeds),
    }
    arrays = dict(_named(parts["macs"], "counts ")) | {"heat": parts["weights"]["heat"].sum(axis=0)}
    return Measurement(numbers, arrays, tuple(_findings(numbers, data, describe_seeds(seeds))))


def _named(part: Mapping[str, NDArray], prefix: str) -> list[tuple[str, NDArray]]:
    return [(name, array) for name, array in part.items() if name.startswith(prefix)]


def _deviation(sums: Array) -> float:
    """Standard deviation of errors of `MacErrors.sums`."""
    count, total, squares, _ = sums
    return float(np.sqrt(squares / count - (total / count) ** 2))


def _readings(parts: Parts, seeds: Sequence[int]) -> Readings:
    """Sentences one by one: of chips by seed; of few bits the mean over the bits."""
    errors: dict[str, Array] = {}
    surprise: dict[str, Array] = {}
    for name in ("software", "ideal"):
        errors[name], surprise[name] = (parts[name][what][np.newaxis] for what in ("errors", "surprise"))
    suffix = f", chips {seeds[0]}"
    for name in (key.removesuffix(suffix) for key in parts if key.endswith(suffix)):
        of_seeds = [part for seed in seeds if (part := parts.get(f"{name}, chips {seed}"))]
        errors[name], surprise[name] = (np.stack([one[what] for one in of_seeds]) for what in ("errors", "surprise"))
    errors["together, all"], surprise["together, all"] = errors["whole"][:1], surprise["whole"][:1]
    for layer in LAYERS:
        part = parts[f"bits, {layer}"]
        errors[f"bits, {layer}"], surprise[f"bits, {layer}"] = (
            part[what].mean(axis=0, keepdims=True) for what in ("errors", "surprise")
        )
    for at, times in enumerate(_SIMULATED):
        errors[f"simulated {times:g}"], surprise[f"simulated {times:g}"] = (
            parts["simulated"][what][at : at + 1] for what in ("errors", "surprise")
        )
    return Readings(parts["software"]["words"].astype(np.float64), errors, surprise)


def _weights(part: Mapping[str, NDArray]) -> dict[str, Any]:
    """Of WP1 and WP2, over all tiles."""
    x, y, xx, yy, xy, count = part["moments"].sum(axis=0).T
    return {
        "tiles": len(part["within"]),
        "weights": count.astype(int).tolist(),
        "r_squared": squared_correlation(np.stack([count, x, y, xx, yy, xy], axis=-1)).tolist(),
        "within_20_percent": (100 * np.nanmean(part["within"], axis=0)).tolist(),
        "spread_1_to_99_percent": (100 * np.nanmedian(part["high"] - part["low"], axis=0)).tolist(),
    }


def _examples(parts: Parts, seeds: Sequence[int]) -> list[dict[str, str]]:
    """Sentences as they were said and written: first those that the first chips write otherwise than software."""
    said, software, chips = (
        parts["software"]["said"],
        parts["software"]["texts"],
        parts[f"whole, chips {seeds[0]}"]["texts"],
    )
    order = np.argsort(software == chips, kind="stable")[:_EXAMPLES]
    return [{"said": str(said[at]), "software": str(software[at]), "chips": str(chips[at])} for at in order]


def _findings(numbers: Mapping[str, Any], data: str, seeds: str) -> Iterator[Finding]:
    on_twin: dict[str, Any] = {"engine": "twin", "data": data, "seeds": seeds}
    floats: dict[str, Any] = {"engine": "float32", "data": data, "seeds": "no device differs"}
    one: dict[str, Any] = {**on_twin, "seeds": describe_seeds(numbers["seeds"][:1])}
    wer, intervals, lost = numbers["wer"], numbers["wer_95"], numbers["lost_nats"]

    def rate(name: str, words: str, paper: str = "", source: str = "", **rest: Any) -> Finding:
        values = 100 * np.array(wer[name])
        how = floats if name == "software" else on_twin if len(values) > 1 else one
        if name == "ideal":
            how = {**on_twin, "engine": "twin, ideal", "seeds": floats["seeds"]}
        source = f"{_NATURE}, {source}" if source else ""
        return Finding.over(f"word error rate, {words}", values, "%", paper=paper, source=source, **how, **rest)

    librispeech = "MLPerf's weights on LibriSpeech"
    yield rate("software", "software", f"7.452 % ({librispeech})", "Fig. 4c")
    yield rate("ideal", "chips without noise")
    yield rate("whole", "noisy chips", f"9.475 % ({librispeech})", "Fig. 5b")
    yield rate("a week", "noisy chips after a week, not recalibrated", f"9.894 % ({librispeech})", "Fig. 5c")
    low, high = (100 * value for value in intervals["whole"])
    yield Finding(
        f"word error rate, noisy chips, half of the 95 % interval over sentences ({low:.2f} to {high:.2f} %)",
        (high - low) / 2,
        "points",
        **on_twin,
    )
    for name in (*numbers["alone"], *numbers["together"][1:]):
        kind, _, layer = name.partition(", ")
        where = "Fig. 5a" if kind == "alone" else "Fig. 5b"
        words = f"{layer} alone on chips" if kind == "alone" else f"Enc-LSTM0 to {layer.removeprefix('+ ')} on chips"
        words = "all on chips" if layer == "all" else words
        yield rate(name, words, "a bar, no figure in the text", where)
        yield Finding(f"log-probability lost, {words}", 1000 * lost[name], "mnat a decision", **one)
    yield from _of_bits(numbers, floats, on_twin)
    for kind, error in numbers["row_errors"].items():
        how, _, times = kind.partition(" ")
        words = "Enc-LSTM0 alone, its rows once" if times == "1" else f"Enc-LSTM0 alone, its rows {times} times, {how}"
        yield rate(kind, words, "a curve, no figure in the text", "Fig. 5f")
        yield Finding(f"error of MACs in [-5, 5], {words}", error, "1", digits=3, **one)
    for duration in _DURATIONS:
        half = duration < _DURATIONS[0]
        paper = "1 % more with half of the duration" if half else ""
        yield rate(
            f"pulses {duration}", f"chip 4's layers with pulses to {duration} ns", paper, "Fig. 6b" if half else ""
        )
    for layer, error in numbers["mac_errors"].items():
        region = "> -5" if layer.endswith("/fc") else "in [-5, 5]"
        source = f"{_NATURE}, Extended Data Fig. 8"
        yield Finding(
            f"error of MACs {region}, {layer}", error, "1", digits=3, paper="in a picture", source=source, **one
        )
    weights = numbers["weights"]
    for pair, wp in enumerate(("WP1", "WP2")):
        source = f"{_NATURE}, Extended Data Fig. 4"
        what = f"weights of chip 1 as read, {wp}"
        within, squared = weights["within_20_percent"][pair], weights["r_squared"][pair]
        yield Finding(f"{what}, within 20 % of the largest", within, "%", paper="around 99 %", source=source, **one)
        yield Finding(f"{what}, R² with the targets", squared, "1", digits=4, source=source, **one)
    for trend in numbers["trends"]:
        what = f"margin of the trend that {trend['paper']}: {trend['low']:.4f} to {trend['high']:.4f}"
        yield Finding(what, trend["margin"], trend["unit"], digits=4, paper="it holds", source=_NATURE, **on_twin)


def _of_bits(numbers: Mapping[str, Any], floats: dict[str, Any], on_twin: dict[str, Any]) -> Iterator[Finding]:
    names = {"all": "all layers", "on chips": "all layers but joint-FC"}
    for name, threshold in numbers["threshold_bits"].items():
        if np.isnan(threshold):
            continue  # with as many bits as were tried it is not
        yield Finding(
            f"bits of weights that are software-equivalent, {names.get(name, name)}",
            threshold,
            "bit",
            paper="5.4 (42 levels)" if name == "all" else "",
            source=f"{_NATURE}, Fig. 4c" if name == "all" else "",
            **floats,
        )
    effective = np.array(numbers["effective_bits"])
    if not np.isnan(effective).any():
        yield Finding.over(
            "effective bits of the chips, by the word error rate of weights of so many bits",
            effective,
            "bit",
            paper="4.097",
            source=f"{_NATURE}, Methods",
            **on_twin,
        )


def _about(measurement: Measurement) -> str:
    numbers = measurement.numbers
    return (
        f"{numbers['data']}, through a recurrent transducer on chips with devices `{numbers['devices']}`, "
        f"{counted(len(numbers['seeds']), 'set')} of them: whole; layer by layer, with all other matrices in float on "
        "the same chips; a week old without calibration; Enc-LSTM0 with more rows; and chip 4's layers with shorter "
        "pulses. In float the weights of layers have fewer levels. Where chips are compared that few sentences do not "
        "tell apart by words, it is by log-probability: how much less likely they find what the float network decides. "
        f"A trend is told if the middle 95 % of its margin, over sentences drawn anew, exclude zero. Of the paper's, "
        f"{verdicts(numbers['trends'])}."
    )


STUDY = Study(
    name="rnnt",
    title="Speech transcription, layer by layer",
    about=_about,
    measure=measure,
    figures=(
        Figure("rnnt-layers", pictures.caption_of_layers, pictures.draw_layers),
        Figure("rnnt-bits", pictures.caption_of_bits, pictures.draw_bits),
        Figure("rnnt-rows", pictures.caption_of_rows, pictures.draw_rows),
        Figure("rnnt-macs", pictures.caption_of_macs, pictures.draw_macs),
        Figure("rnnt-weights", pictures.caption_of_weights, pictures.draw_weights),
        Figure("rnnt-sentences", pictures.caption_of_sentences, pictures.draw_sentences),
    ),
)
