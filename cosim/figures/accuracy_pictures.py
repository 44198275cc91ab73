"""Pictures of the study of accuracy (`cosim.figures.accuracy`) and what is said below them: its measurement in."""

from typing import TYPE_CHECKING

import numpy as np

from cosim.figures.labels import label_lines
from cosim.figures.measurement import Measurement
from cosim.figures.sampling import draw_interval
from cosim.files.plotting import BLUE, GREEN, GREY, ORANGE, PINK, new_figure
from cosim.files.wording import counted
from cosim.workloads.kws.report import ISO_SHARE, PAPER_CHIP_ACCURACY, PAPER_SOFTWARE_ACCURACY, draw_confusion

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = [
    "caption_of_chips",
    "caption_of_confusions",
    "caption_of_disagreement",
    "caption_of_steps",
    "draw_chips",
    "draw_confusions",
    "draw_disagreement",
    "draw_steps",
]


def draw_chips(measurement: Measurement) -> "Picture":
    """Accuracy of every chip, beside software's, the iso limit, and the paper's."""
    numbers = measurement.numbers
    chips = np.array(numbers["chip_accuracy_percent"])
    mean = float(chips.mean())
    figure, axes = new_figure(8.6, 4.8)
    spread = ""
    if len(chips) > 1:
        std = float(chips.std(ddof=1))
        spread = f" ± {std:.2f}"
        axes.axhspan(mean - std, mean + std, color=BLUE, alpha=0.15, linewidth=0, label="chips: standard deviation")
    axes.plot(numbers["chips"], chips, "o", color=BLUE, markersize=6, label="twin")
    if rtl := numbers.get("rtl"):
        axes.plot(rtl["chip"], rtl["accuracy_percent"], "D", color="none", markeredgecolor="black", markersize=11,
                  label=f"RTL, {rtl['compared_codes']:,} codes equal to the twin's")  # fmt: skip
    last = numbers["chips"][-1]
    draw_interval(axes, last + 0.6, mean, numbers["clips"], colour=BLUE, what="mean of the chips")
    draw_interval(
        axes, last + 0.9, numbers["software_accuracy_percent"], numbers["clips"], colour=ORANGE, what="software"
    )
    axes.set_xlim(numbers["chips"][0] - 0.6, last + 1.2)
    axes.set_xticks(numbers["chips"])
    axes.set(xlabel="chip (seed)", ylabel="accuracy (%)")
    lines = (
        (numbers["software_accuracy_percent"], "-", ORANGE, f"software, {numbers['software_accuracy_percent']:.2f}"),
        (numbers["iso_limit_percent"], "--", ORANGE, f"iso limit, {100 * ISO_SHARE:.0f} % of software"),
        (mean, "-", BLUE, f"{counted(len(chips), 'chip')}, {'mean ' * (len(chips) > 1)}{mean:.2f}{spread}"),
        (100 * PAPER_SOFTWARE_ACCURACY, ":", GREY, f"the paper's software, {100 * PAPER_SOFTWARE_ACCURACY:.2f}"),
        (100 * PAPER_CHIP_ACCURACY, ":", GREY, f"the paper's chip, {100 * PAPER_CHIP_ACCURACY:.2f}"),
    )
    for value, style, colour, _ in lines:
        axes.axhline(value, color=colour, linestyle=style, linewidth=1.1)
    label_lines(axes, [(value, colour, text) for value, _, colour, text in lines])
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=2)
    each = "independently programmed " if len(chips) > 1 else ""
    axes.set_title(f"{counted(len(chips), f'{each}chip')}; {numbers['data']}", fontsize=9)
    return figure


def draw_confusions(measurement: Measurement) -> "Picture":
    """Confusion matrix, summed over all chips."""
    numbers = measurement.numbers
    added = " added up" * (len(numbers["chips"]) > 1)
    title = f"Twin, {numbers['seeds']}{added}; {numbers['data']}"
    return draw_confusion(np.array(numbers["confusion"]), numbers["words"], title)


def draw_disagreement(measurement: Measurement) -> "Picture":
    """How many chips decide a clip otherwise than most, and for which words that happens."""
    numbers, arrays = measurement.numbers, measurement.arrays
    disagreeing, labels = arrays["disagreeing"], arrays["labels"]
    count = len(numbers["chips"])
    figure, (left, right) = new_figure(9.0, 3.8, columns=2, width_ratios=(2, 3))
    shares = np.bincount(disagreeing[disagreeing > 0], minlength=count // 2 + 1)[1:]
    left.bar(range(1, len(shares) + 1), 100 * shares / len(disagreeing), color=BLUE)
    left.set_xticks(range(1, len(shares) + 1))
    left.set_xlim(0.4, max(len(shares), 5) + 0.6)
    left.set(xlabel=f"chips of {count} that decide otherwise than most", ylabel="share of the clips (%)")
    all_alike = 100 - numbers["decided_differently_percent"]
    alike = "one chip, nothing to compare" if count == 1 else f"{all_alike:.1f} % of the clips: all chips alike"
    left.set_title(alike, fontsize=9)
    for place in range(len(numbers["words"])):
        of_word = labels == place
        if of_word.any():
            right.bar(place, 100 * np.mean(disagreeing[of_word] > 0), color=BLUE)
    right.set_xticks(range(len(numbers["words"])), numbers["words"], rotation=45, ha="right")
    right.set_ylabel("clips not decided alike (%)")
    for axes in (left, right):
        axes.set_ylim(0, max(axes.get_ylim()[1], 1.0))  # where all agree there is no bar to scale it
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"Twin, {numbers['seeds']}; {numbers['data']}", fontsize=9)
    return figure


def draw_steps(measurement: Measurement) -> "Picture":
    """Accuracy and error of each layer after each step of the calibration."""
    numbers = measurement.numbers
    steps = numbers["calibration_steps"]
    places = np.arange(len(steps["steps"]))
    figure, (left, right) = new_figure(9.0, 3.9, columns=2)
    accuracy = np.array(steps["accuracy_percent"])
    left.plot(places, accuracy.T, "o", color=BLUE, markersize=4)
    left.plot(places, accuracy.mean(axis=0), "-", color=BLUE)
    draw_interval(
        left, places[-1] + 0.3, float(accuracy[:, -1].mean()), numbers["clips"], colour=BLUE, what=steps["steps"][-1]
    )
    levels = {"software": numbers["software_accuracy_percent"], "iso limit": numbers["iso_limit_percent"]}
    for value, style in zip(levels.values(), ("-", "--"), strict=True):
        left.axhline(value, color=ORANGE, linestyle=style, linewidth=1)
    label_lines(left, [(value, ORANGE, name) for name, value in levels.items()])
    left.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.12))
    left.set_ylabel("accuracy (%)")
    for (name, errors), colour, marker in zip(
        steps["rms_error_percent"].items(), (BLUE, GREEN, PINK), ("o", "s", "^"), strict=False
    ):
        right.plot(places, np.array(errors).T, marker, color=colour, markersize=4)
        right.plot(places, np.mean(errors, axis=0), "-", color=colour, marker=marker, markersize=4, label=name)
    right.set_ylabel("rms error (% of full scale)")
    right.set_ylim(bottom=0)
    right.legend(fontsize=8, frameon=False)
    for axes in (left, right):
        axes.set_xticks(places, steps["steps"], fontsize=8)
        axes.set_xlabel(f"calibration{', step by step' * (len(places) > 2)}")
        axes.spines[["top", "right"]].set_visible(False)
    clips = counted(numbers["calibration_clips"], "clip")
    figure.suptitle(f"Twin, {steps['seeds']}; {numbers['data']}; calibrated with {clips}", fontsize=9)
    return figure


def caption_of_chips(measurement: Measurement) -> str:
    numbers = measurement.numbers
    count, clips = len(numbers["chips"]), numbers["clips"]
    band = "; the band is one standard deviation over them" if count > 1 else ""
    low, high = numbers["sampling_interval_percent"]["chips"]
    return (
        f"Accuracy of {counted(count, 'chip')}{band}. The bars on the right say how well {counted(clips, 'clip')} "
        f"determine an accuracy: the chips' lies between {low:.2f} and {high:.2f} %. Chips and software classify the "
        "same clips, so that their differences are known better than that."
    )


def caption_of_steps(measurement: Measurement) -> str:
    steps = measurement.numbers["calibration_steps"]
    return f"Accuracy and errors of {steps['seeds']} with these steps of the calibration: {'; '.join(steps['steps'])}."


def caption_of_confusions(measurement: Measurement) -> str:
    numbers = measurement.numbers
    total = int(np.sum(numbers["confusion"]))
    added = f", {counted(len(numbers['chips']), 'chip')} added up" if len(numbers["chips"]) > 1 else ""
    return f"What was spoken and what was heard: {counted(total, 'decision')}{added}."


def caption_of_disagreement(measurement: Measurement) -> str:
    numbers = measurement.numbers
    if len(numbers["chips"]) == 1:
        return "With one chip there is nothing that chips could disagree about."
    return (
        f"{numbers['decided_differently_percent']:.1f} % of the clips are decided differently from chip to chip: how "
        "many chips are outvoted, and on which words."
    )
