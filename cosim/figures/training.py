"""Study: how much noise on weights and activations in training makes the most accurate chip (Extended Data Fig. 3b).

Networks of one seed begin with the same weights, see the same clips in the same order and run on the same chip, so that
two settings are compared seed by seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cosim.engines.twin.engine import TwinEngine
from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Finding, Measurement, Unavailable
from cosim.figures.sampling import draw_interval
from cosim.figures.study import Figure, Study
from cosim.files.plotting import new_figure
from cosim.files.wording import counted
from cosim.workloads.kws.dataset import load_training_set
from cosim.workloads.kws.model import KwsModel
from cosim.workloads.kws.training.recipes import RECIPES, Noise, training_advice
from cosim.workloads.kws.workload import ClipSet, classify, prepare_chip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

    from cosim.workloads.kws.training.data import View
    from cosim.workloads.kws.training.trainer import Trainer

__all__ = ["STUDY", "Plan", "best_level", "draw_accuracy", "evaluate", "measure"]

#: Nature 620, 768 (2023), Methods, "KWS".
_PAPER = Noise(0.02, 0.04)
_NONE = Noise(0.0, 0.0)
_SOURCE = "Nature 620, 768 (2023), Methods, 'KWS'; its Extended Data Fig. 3b shows the dependence"
#: Fields of `Noise`: what they are called in a sentence, and their units.
_FIELDS = {"weights": ("weights", "of the largest weight"), "activations": ("activations", "of full scale")}
#: Level of significance of the paired t-test that tells two levels apart.
_SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Parameters
    ----------
    weights, activations : levels of the one noise, with the paper's level of the other
    seeds : networks of a setting
    epochs : of training
    every : one in so many training clips is learnt from
    calibrated_with, judged_by : validation clips that calibrate a chip, and others that judge it, None for all
    """

    weights: tuple[float, ...]
    activations: tuple[float, ...]
    seeds: int
    epochs: int
    every: int
    calibrated_with: int
    judged_by: int | None

    @property
    def settings(self) -> tuple[Noise, ...]:
        """Both sweeps, the paper's setting once, and no noise at all."""
        across = [Noise(level, _PAPER.activations) for level in self.weights]
        along = [Noise(_PAPER.weights, level) for level in self.activations]
        return tuple(dict.fromkeys([_PAPER, _NONE, *across, *along]))


# Recipe `paper` has 60 epochs; 15 are what 30 networks can have in half an hour on one core.
_FULL = Plan((0, 0.01, 0.02, 0.04, 0.08), (0, 0.02, 0.04, 0.08, 0.16), 3, 15, 1, 250, None)
_QUICK = Plan((0.02,), (0, 0.04), 1, 2, 4, 50, 500)


class _Course:
    """A data set on disk, and what all networks share once the first of them is trained.

    The views, one augmented copy of the training clips an epoch, stay in memory: 75 MB each.
    """

    def __init__(self, data: Path, plan: Plan, campaign: Campaign) -> None:
        self.data, self.plan, self.campaign = data, plan, campaign
        self._views: dict[int, View] = {}

    @cached_property
    def trainer(self) -> "Trainer":
        try:
            import torch

            from cosim.workloads.kws.training.trainer import Trainer
        except ModuleNotFoundError as error:
            raise Unavailable(f"{error}; {training_advice()}") from error
        self.campaign.say("reading the training clips")
        data = load_training_set(self.data)
        kept = data.validation | (np.arange(len(data.labels)) % self.plan.every == 0)
        names = ("codes", "labels", "validation", "synthetic")
        data = replace(data, **{name: getattr(data, name)[kept] for name in names})
        recipe = replace(RECIPES["paper"], epochs=self.plan.epochs)
        return Trainer(data, recipe, torch.device("cpu"), self.campaign.say)

    @cached_property
    def clips(self) -> tuple[ClipSet, ClipSet]:
        """Validation clips that calibrate the chips, and others that judge them."""
        mfcc, labels = self.trainer.validation_mfcc, self.trainer.validation_labels
        order = np.random.default_rng(0).permutation(len(labels))
        first, rest = order[: self.plan.calibrated_with], order[self.plan.calibrated_with :][: self.plan.judged_by]
        source = f"validation split of {self.data.name}"
        calibration, judging = (
            ClipSet(source, tuple(f"validation clip {row}" for row in rows), labels[rows], mfcc[rows].astype(float))
            for rows in (first, rest)
        )
        return calibration, judging

    def view(self, epoch: int) -> "View":
        if epoch not in self._views:
            self._views[epoch] = self.trainer.view([], epoch)
        return self._views[epoch]

    def train(self, noise: Noise, seed: int) -> KwsModel:
        trainer = self.trainer
        from cosim.workloads.kws.training.trainer import Pupil

        recipe = replace(trainer.recipe, weight_noise=noise.weights, activation_noise=noise.activations)
        pupil = Pupil(trainer, seed, recipe)
        for epoch in range(recipe.epochs):
            pupil.epoch(epoch, self.view(epoch))
        return pupil.model()

    def judge(self, noise: Noise, seed: int) -> dict[str, NDArray]:
        """Train a network, put it on a chip, and classify the judging clips in software and on the chip.

        Returns
        -------
        labels, software, chip : (clips,) int64, class indices: truth and predictions
        """
        model = self.train(noise, seed)
        calibration, judging = self.clips
        chip = prepare_chip(model, calibration, config=self.campaign.config, analog=self.campaign.analog, seed=seed)
        report = classify(model, judging, chip, TwinEngine(), seed=seed)
        return {"labels": report.labels, "software": report.software, "chip": report.predictions}


def measure(campaign: Campaign) -> Measurement:
    """Train networks under every noise, and classify validation clips with them in software and on the twin."""
    plan = _QUICK if campaign.quick else _FULL
    course = _Course(_training_data(campaign), plan, campaign)
    seeds = range(campaign.seed, campaign.seed + plan.seeds)
    settings = plan.settings
    accuracy = {where: np.zeros((len(settings), len(seeds))) for where in ("software", "chip")}
    clips = 0
    for column, seed in enumerate(seeds):  # a whole seed first: an interrupted campaign shows the sweep at least once
        for row, noise in enumerate(settings):
            name = f"weight noise {noise.weights:g}, activation noise {noise.activations:g}, seed {seed}"
            campaign.say(name)
            key = f"{name}, {plan.epochs} epochs of 1 in {plan.every} clips"
            part = campaign.part(key, partial(course.judge, noise, seed))
            for where, values in accuracy.items():
                values[row, column] = 100 * np.mean(part[where] == part["labels"])
            clips = len(part["labels"])
            campaign.advance(column * len(settings) + row + 1, len(settings) * len(seeds))
    data = f"{counted(clips, 'validation clip')} of {course.data.name}"
    return evaluate(settings, accuracy["software"], accuracy["chip"], seeds=seeds, plan=plan, data=data, clips=clips)


def _training_data(campaign: Campaign) -> Path:
    if campaign.features is not None:
        return campaign.features
    if campaign.audio is not None and (campaign.audio / "validation_list.txt").is_file():
        return campaign.audio
    raise Unavailable(
        "training needs clips to learn from: give prepared features with --features, or all of Speech Commands with "
        "--audio (the test archive has no training clips)"
    )


class Best(NamedTuple):
    """Which of several levels makes the most accurate chips.

    Parameters
    ----------
    level : with the largest mean accuracy over the seeds
    by_seed : (seeds,) the same, of each seed alone
    alike : other levels that the seeds do not tell apart from it: two-sided paired t-test, 5 %
    """

    level: float
    by_seed: tuple[float, ...]
    alike: tuple[float, ...]


def best_level(levels: Sequence[float], accuracy: NDArray[np.float64]) -> Best:
    """Judge levels by the accuracies (levels, seeds); a single seed tells no two levels apart."""
    best = int(accuracy.mean(axis=1).argmax())
    lead = accuracy[best] - accuracy
    count = lead.shape[1]
    alike = np.ones(len(levels), bool)
    if count > 1:
        error = lead.std(axis=1, ddof=1) / count**0.5
        alike = lead.mean(axis=1) <= stats.t.ppf(1 - _SIGNIFICANCE / 2, count - 1) * error
    alike[best] = False
    by_seed = tuple(float(levels[row]) for row in accuracy.argmax(axis=0).tolist())
    return Best(float(levels[best]), by_seed, tuple(float(levels[row]) for row in np.flatnonzero(alike).tolist()))


def evaluate(
    settings: Sequence[Noise],
    software: NDArray[np.float64],
    chip: NDArray[np.float64],
    *,
    seeds: Sequence[int],
    plan: Plan,
    data: str,
    clips: int,
) -> Measurement:
    """What accuracies (settings, seeds) in % say; the paper's setting and no noise at all are among the settings."""
    which = f"networks and chips {seeds[0]}-{seeds[-1]}" if len(seeds) > 1 else f"network and chip {seeds[0]}"
    finding = partial(Finding, engine="twin", data=data, seeds=which)
    over = partial(Finding.over, data=data, seeds=which)
    findings, best = [], {}
    for field, (word, unit) in _FIELDS.items():
        levels, rows = _sweep(settings, field)
        found = best_level(levels, chip[rows])
        best[field] = found._asdict()
        alike = ", ".join(f"{level:g}" for level in found.alike) or "none"
        findings.append(
            finding(
                f"noise of {word} in training with the most accurate chips (not told apart from it: {alike})",
                found.level,
                unit,
                low=min(found.by_seed),
                high=max(found.by_seed),
                std=float(np.std(found.by_seed, ddof=1)) if len(seeds) > 1 else None,
                paper=f"{getattr(_PAPER, field):g}",
                source=_SOURCE,
            )
        )
    paper, none = settings.index(_PAPER), settings.index(_NONE)
    for name, row in (("the paper's noise", paper), ("no noise", none)):
        findings += [
            over(f"chip accuracy, trained with {name}", chip[row], "%", engine="twin"),
            over(f"software accuracy, trained with {name}", software[row], "%", engine="float64"),
            over(
                f"software minus chip, trained with {name}",
                software[row] - chip[row],
                "points",
                engine="float64 and twin",
            ),
        ]
    gain = chip[paper] - chip[none]
    findings.append(over("gain in chip accuracy of the paper's noise over none", gain, "points", engine="twin"))
    numbers = {
        "data": data,
        "clips": clips,
        "seeds": list(seeds),
        "epochs": plan.epochs,
        "one_training_clip_in": plan.every,
        "calibrated_with": plan.calibrated_with,
        "settings": [
            {**noise._asdict(), "software_percent": software[row].tolist(), "chip_percent": chip[row].tolist()}
            for row, noise in enumerate(settings)
        ],
        "best": best,
    }
    return Measurement(numbers, findings=tuple(findings))


def _sweep(settings: Sequence[Noise], field: str) -> tuple[list[float], list[int]]:
    """Levels of one noise, in order, and the rows of the settings that differ from the paper's in nothing else."""
    rows = {
        getattr(noise, field): row
        for row, noise in enumerate(settings)
        if noise._replace(**{field: getattr(_PAPER, field)}) == _PAPER
    }
    return sorted(rows), [rows[level] for level in sorted(rows)]


#: Colour and shift to the side.
_COLOURS = {"software": ("#0072B2", -0.07), "chip": ("#D55E00", 0.07)}
#: Where networks without any noise are drawn, left of the sweeps.
_NOWHERE = -0.8


def draw_accuracy(measurement: Measurement) -> "Picture":
    """Accuracy in software and on the chip against the noise of weights, and of activations."""
    numbers = measurement.numbers
    settings = [Noise(setting["weights"], setting["activations"]) for setting in numbers["settings"]]
    figure, axes = new_figure(10, 4.8, columns=2)
    for panel, field, other in zip(axes, _FIELDS, reversed(_FIELDS), strict=True):
        for where in _COLOURS:
            values = np.array([setting[f"{where}_percent"] for setting in numbers["settings"]])
            _draw_sweep(panel, settings, field, where, values)
        levels, _ = _sweep(settings, field)
        of_paper = float(np.mean(numbers["settings"][settings.index(_PAPER)]["chip_percent"]))
        draw_interval(
            panel, len(levels) - 0.5, of_paper, numbers["clips"], colour="0.4", what="the paper's noise, chip"
        )
        panel.set_xticks([_NOWHERE, *range(len(levels))], ["no noise\nat all", *(f"{level:g}" for level in levels)])
        panel.axvline(levels.index(getattr(_PAPER, field)), color="0.6", linestyle="--", label="the paper's choice")
        panel.grid(axis="y", color="0.9")
        panel.set_ylabel("accuracy, % of validation clips")
        word, unit = _FIELDS[field]
        panel.set_xlabel(f"noise of {word} in training, $\\sigma$ in units {unit}")
        panel.set_title(f"noise of {other}: {getattr(_PAPER, other):g} {_FIELDS[other][1]}", fontsize=10)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    count = len(numbers["seeds"])
    over = (
        f"mean and standard deviation of {count} networks and chips, dots: each" if count > 1 else "1 network and chip"
    )
    figure.suptitle(f"Twin, {numbers['data']}; {counted(numbers['epochs'], 'epoch')}; {over}", fontsize=10)
    return figure


def _draw_sweep(panel: "Axes", settings: Sequence[Noise], field: str, where: str, values: NDArray[np.float64]) -> None:
    """Accuracies (settings, seeds) along one sweep, and beside it those without noise."""
    _, rows = _sweep(settings, field)
    mean, std = values.mean(axis=1), values.std(axis=1, ddof=min(1, values.shape[1] - 1))
    colour, shift = _COLOURS[where]
    # Levels double from one to the next, but for 0: equal steps.
    for x, shown, line in ((np.arange(len(rows)), rows, "-"), (np.array([_NOWHERE]), [settings.index(_NONE)], "")):
        label = where if line else None
        panel.errorbar(
            x + shift, mean[shown], std[shown], color=colour, marker="o", linestyle=line, capsize=3, label=label
        )
        panel.plot(x + 2 * shift, values[shown], color=colour, marker=".", markersize=4, linestyle="")


def _about(measurement: Measurement) -> str:
    """What was done, of this run."""
    numbers, recipe = measurement.numbers, RECIPES["paper"]
    every = numbers["one_training_clip_in"]
    learnt = "" if every == 1 else f"from one in {every} training clips, "
    told = (
        f"a level counts as told apart from the best if a paired t-test over {len(numbers['seeds'])} seeds says so "
        f"(two-sided, {100 * _SIGNIFICANCE:g} %, as if the best had been known before)"
        if len(numbers["seeds"]) > 1
        else "this run has one seed, which tells no two levels apart"
    )
    return (
        f"Networks of the paper's shape learn {learnt}with its recipe (rate {recipe.learning_rate:g}, batch "
        f"{recipe.batch}, shifts and background noise), with other levels of noise on the weights or on the "
        f"activations, and for {counted(numbers['epochs'], 'epoch')} where the recipe has {recipe.epochs}. Levels are "
        "standard deviations as shares of a layer's largest weight and of its full scale; the paper gives bare "
        f"numbers. Each network is programmed into a chip, which is calibrated with {numbers['calibrated_with']} "
        f"validation clips, and judged by {numbers['clips']:,} others: the noise is a choice, and test clips must not "
        "make it. Software has the same 8-bit weights and inputs and no noise. Networks of one seed share first "
        f"weights, augmented clips, their order and the chip, so that settings are compared seed by seed; {told}."
    )


def _caption(measurement: Measurement) -> str:
    return (
        "Accuracy in software and on the chip against the noise of the weights (left; activations "
        f"{_PAPER.activations:g}) and of the activations (right; weights {_PAPER.weights:g}) in training. The scales "
        f"differ. Grey: how well {counted(measurement.numbers['clips'], 'clip')} determine an accuracy."
    )


STUDY = Study(
    name="training",
    title="Noise in hardware-aware training",
    about=_about,
    measure=measure,
    figures=(Figure("training-noise", _caption, draw_accuracy),),
)
