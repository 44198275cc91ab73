"""Study: Whisper transcribes on three chips: words that are wrong, whose errors cost what, and what a month does.

Words tell small errors badly: few of them are doubtful. So the budget of errors is in surprise at what the float
network hears, nats a token, beyond its own.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.drift_measurement import MONTH
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.mechanisms import MECHANISMS, idealised
from cosim.figures.study import Figure, Study
from cosim.figures.tasks import (
    AGED,
    Case,
    Shown,
    codes_compared,
    data_at,
    draw_layer_errors,
    draw_scores,
    measured,
)
from cosim.files.json_text import from_json, to_json
from cosim.files.plotting import BLUE, ORANGE, new_figure
from cosim.files.wording import counted
from cosim.system.layer_errors import LayerErrors
from cosim.system.system import Run, System
from cosim.workloads.comparison import Progress, Workload, system_image
from cosim.workloads.resampling import CONFIDENCE, resampled_interval
from cosim.workloads.whisper.model import WhisperModel
from cosim.workloads.whisper.report import report
from cosim.workloads.whisper.workload import Transcription

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["STUDY"]

#: Utterances whose words are counted, and those of the budget; of a quick campaign.
_FULL, _QUICK = (120, 16), (2, 1)
#: Sets of chips that are read after a month as well.
_AGED = 1
#: Most frames of a call that go through the RTL: all of the decoder's, and so many of the encoder's 1,500 positions.
_RTL_FRAMES = 8
#: Mechanisms that the budget names; the others are taken together.
_NAMED = ("programming, relaxation", "drift, one hour", "1/f noise, one hour", "noise of a read", "IR drop")
_SOFTWARE, _IDEAL, _NOISY = "software", "chips without noise", "noisy chips"


def measure(campaign: Campaign) -> Measurement:
    """Words, then the budget; the shortest utterance goes through the RTL."""
    audio = data_at("librispeech_dev_clean", "dev-clean")
    clips, few = _QUICK if campaign.quick else _FULL
    task = Transcription.of(WhisperModel.load(data_at("whisper_tiny_en")), audio, clips)
    workload = task.workload(campaign.analog)
    words = Case(
        "three chips",
        workload,
        partial(report, task, seed=0),
        on_rtl=(int(np.argmin([one.spoken for one in task.recorded])),),
        rtl_frames=_RTL_FRAMES,
        aged=_AGED,
        errors=False,
    )
    found = measured(campaign, [words])
    if campaign.quick:
        workload = replace(workload, options=replace(workload.options, trials=0))
    budget = _budget(campaign, task.surprise(workload, few))
    data = f"tokens of the float network in the first {counted(few, 'utterance')}; {task.source}"
    findings = [*found.findings, *_findings(budget, task.model.name, data, describe_seeds(campaign.seeds[:1]))]
    return Measurement({**found.numbers, "budget": budget}, findings=tuple(findings))


def _runs(campaign: Campaign) -> dict[str, Run]:
    """What is measured for the budget, by words for it."""
    analog, seed = campaign.analog, campaign.seed
    noisy = Run("twin", analog, seed)
    runs = {_SOFTWARE: Run("float"), _IDEAL: Run("ideal", analog), _NOISY: noisy}
    if campaign.quick:
        return runs
    for name, chips in _mechanisms(analog):
        runs[f"{name}, alone"] = replace(noisy, analog=chips)
    for graph in ("encoder", "cross", "decoder"):
        runs[f"{_NOISY}, {graph}'s matrices alone"] = replace(noisy, only=f"{graph}/*")
    for words, again in AGED.items():
        runs[f"{_NOISY} {words}"] = replace(noisy, aged_s=MONTH, recalibrated=again)
    return runs


def _mechanisms(analog: AnalogConfig) -> Iterator[tuple[str, AnalogConfig]]:
    """Chips on which but one acts, or all that have no place of their own."""
    ideal = idealised(analog)
    for mechanism in MECHANISMS:
        if mechanism.name in _NAMED:
            yield mechanism.name, mechanism.added_to(ideal, analog)
    others = (mechanism for mechanism in MECHANISMS if mechanism.name not in _NAMED)
    yield "all others", reduce(lambda chips, mechanism: mechanism.added_to(chips, analog), others, ideal)


def _budget(campaign: Campaign, workload: Workload) -> dict[str, Any]:
    """Surprise beyond the float network's with its interval over utterances, by what makes it; errors by matrix."""
    parts: dict[str, dict[str, NDArray]] = {}
    samples = ", ".join(workload.described.values())
    for words, run in _runs(campaign).items():
        key = f"surprise, {words}, chip {campaign.seed}, {workload.samples} of {samples}"
        parts[words] = campaign.part(key, partial(_surprise, campaign, workload, words, run))
    software = parts[_SOFTWARE]["surprise"]
    added = {words: part["surprise"] - software for words, part in parts.items() if words != _SOFTWARE}
    return {
        "utterances": workload.samples,
        "software": float(software.mean()),
        "added": {words: _with_interval(one) for words, one in added.items()},
        "layers": {words: from_json(str(parts[words]["layers"])) for words in (_IDEAL, _NOISY)},
    }


def _with_interval(added: NDArray[np.float64]) -> dict[str, Any]:
    """Mean over utterances, (utterances,), and its interval over utterances drawn anew."""
    interval = resampled_interval(lambda rows: float(added[rows].mean()), len(added))
    return {"nats": float(added.mean()), "interval": interval}


def _surprise(campaign: Campaign, workload: Workload, words: str, run: Run) -> dict[str, NDArray]:
    say = Progress(Shown(campaign), words)
    errors = LayerErrors(workload.network) if words in (_IDEAL, _NOISY) else None
    walk = workload.walk if errors is None else partial(workload.watched, errors)
    with System(system_image(workload, say), run, say=say) as system:
        results = system.results(
            map(walk, range(workload.samples)),
            batch=workload.batch,
            progress=lambda done: say("samples", done, workload.samples),
        )
    surprise = np.array([float(result["surprise"]) for result in results])
    return {"surprise": surprise, "layers": np.array(to_json([asdict(error) for error in errors or ()]))}


def _findings(budget: dict[str, Any], network: str, data: str, seeds: str) -> Iterator[Finding]:
    for words, one in budget["added"].items():
        engine, which = ("twin, ideal", "no device differs") if words == _IDEAL else ("twin", seeds)
        what = f"surprise of {network} that is added, {words}"
        yield Finding(what, one["nats"], "nats a token", engine=engine, data=data, seeds=which, digits=3)
    low, high = budget["added"][_NOISY]["interval"]
    half = f"surprise of {network} that is added, {_NOISY}: half of the {100 * CONFIDENCE:.0f} % interval"
    yield Finding(half, (high - low) / 2, "nats a token", engine="twin", data=data, seeds=seeds, digits=3)


def draw_budget(measurement: Measurement) -> "Picture":
    """Surprise that is added, with its interval over utterances."""
    added = measurement.numbers["budget"]["added"]
    figure, axes = new_figure(7.2, 0.9 + 0.3 * len(added))
    for at, (words, one) in enumerate(reversed(added.items())):
        colour = BLUE if words == _IDEAL else ORANGE
        axes.barh(at, one["nats"], color=colour, height=0.6)
        axes.plot(one["interval"], [at] * 2, color="0.2", lw=1)
    axes.set_yticks(range(len(added)), list(added)[::-1], fontsize=8)
    axes.set(xlabel="surprise beyond the float network's, nats a token")
    return figure


def draw_layers(measurement: Measurement) -> "Picture":
    """Errors that every matrix adds itself."""
    layers = measurement.numbers["budget"]["layers"]
    return draw_layer_errors(layers[_IDEAL], [layers[_NOISY]])


def _about(measurement: Measurement) -> str:
    (case,), budget = measurement.numbers["cases"], measurement.numbers["budget"]
    rtl = case["on_rtl"]
    return (
        f"{case['network']} transcribes {case['data']}: {counted(case['words'], 'word')}, normalised as its authors "
        "do; ranges and calibration are from other utterances. Of the shortest one, every step of the decoder and "
        f"{_RTL_FRAMES} of the encoder's positions in each call went through the RTL, {rtl['frames']:,} of "
        f"{rtl['reference_frames']:,} frames, and all {codes_compared([case]):,} codes were the twin's. The budget is "
        f"of {counted(budget['utterances'], 'utterance')} and one set of chips: how much more surprised the network "
        f"is at what it hears in float, where {budget['software']:.3f} nats a token are its own."
    )


def _caption(measurement: Measurement) -> str:
    added = measurement.numbers["budget"]["added"]
    least, most = added[_IDEAL]["nats"], added[_NOISY]["nats"]
    return (
        "Surprise that is added, and its interval over utterances: chips without noise, all mechanisms, one of them "
        f"alone, some matrices alone, old chips. Noise takes it from {least:.3f} to {most:.3f} nats a token."
    )


STUDY = Study(
    name="whisper",
    title="Speech recognition",
    about=_about,
    measure=measure,
    figures=(
        Figure(
            "whisper-words",
            "Word error rates with their intervals: software filled, chips without noise below it, then noisy ones; "
            "squares are old chips.",
            draw_scores,
        ),
        Figure("whisper-budget", _caption, draw_budget),
        Figure("whisper-layers", "What every matrix adds itself, fed with what it got.", draw_layers),
    ),
)
