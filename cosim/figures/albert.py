"""Study: ALBERT on one chip, characterised as the paper does it, on every task for which there is a network.

Networks are folders of Hugging Face in `albert/` of the data: one for each task and of its name, and others of the same
task that were trained with noise (`duramesh albert train --noise`), whose cards say with how much.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cosim.figures.albert_measurement import Measured, measure
from cosim.figures.albert_pictures import draw_errors, draw_exits, draw_margins, draw_noise
from cosim.figures.albert_trends import trends
from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.measurement import Finding, Measurement, Unavailable
from cosim.figures.study import Figure, Study
from cosim.figures.tasks import CHIPS, Shown, data_at
from cosim.files.archive import write_text
from cosim.files.json_text import from_json, to_json
from cosim.files.plotting import write_picture
from cosim.files.typed import typed
from cosim.files.wording import listed
from cosim.workloads.albert.model import TextClassifier
from cosim.workloads.albert.workload import Classification
from cosim.workloads.comparison import Settings, Workload, compare
from cosim.workloads.display import Display
from cosim.workloads.glue import TASKS, Task

__all__ = ["STUDY", "write"]

#: Tasks with classes, as the paper orders them.
_TASKS = ("RTE", "MRPC", "CoLA", "SST-2", "QNLI", "QQP", "MNLI")
#: Examples that are judged, and those that calibrate.
_JUDGED, _CALIBRATING = 24, 16
_QUICK_JUDGED, _QUICK_CALIBRATING = 4, 3
#: Of the choice of examples.
_SEED = 0
#: What makes a part: figures of a task, on the chips of the settings.
_Make = Callable[[Classification, Settings, Display, Workload], Mapping[str, Any]]


@dataclass(frozen=True)
class _Network:
    """A folder of a network, and the scale of the noise that it was trained with."""

    folder: Path
    task: Task
    noise: float

    @property
    def named_as_task(self) -> bool:
        return self.folder.name == self.task.name

    @classmethod
    def all_in(cls, root: Path) -> "list[_Network]":
        """Of every task the one that has its name first, then by noise."""
        found = []
        for name in _TASKS:
            own = [path for path in root.glob(f"{name}*") if (path / "config.json").is_file()]
            some = [
                cls(path, TASKS[name], _noise(path)) for path in own if path.name.removeprefix(name)[:1] in ("", "-")
            ]
            found += sorted(some, key=lambda one: (not one.named_as_task, one.noise))
        return found

    def judging(self, campaign: Campaign, examples: int) -> tuple[Classification, Workload]:
        calibrating = _QUICK_CALIBRATING if campaign.quick else _CALIBRATING
        classifier = TextClassifier.load(self.folder, self.task)
        task = Classification.of(classifier, self.task, data_at("glue"), examples, _SEED, calibrating)
        workload = task.workload(campaign.analog)
        # Ranges are chosen by errors of products, not by trials with the whole network, of which one takes minutes.
        return task, replace(workload, options=replace(workload.options, trials=0))


def _noise(folder: Path) -> float:
    card = folder / "training.json"
    return float(from_json(card.read_bytes())["noise"]["scale"]) if card.is_file() else 0.0


def measured(campaign: Campaign) -> Measurement:
    """Everything of each task's network; accuracy of those that were trained with noise."""
    networks = _Network.all_in(data_at("albert"))
    if not any(one.named_as_task for one in networks):
        raise Unavailable(
            f"albert in the data has no folder of a network that is called as a task: {', '.join(_TASKS)}"
        )
    seeds, examples = campaign.seeds[:CHIPS], _QUICK_JUDGED if campaign.quick else _JUDGED

    def part(one: _Network, make: _Make, seeds: range) -> Any:
        task, workload = one.judging(campaign, examples)
        key = f"{one.folder.name}, {task.classifier.graph.digest}, {examples} examples, {describe_seeds(seeds)}"
        settings = Settings("twin", campaign.analog, tuple(seeds), checkpoint=campaign.folder / "samples" / key)
        told = campaign.part(key, lambda: {"told": np.array(to_json(make(task, settings, Shown(campaign), workload)))})
        return from_json(str(told["told"]))

    tasks, noise = [], []
    for one in networks:
        about = {"task": one.task.name, "network": one.folder.name, "scale": one.noise}
        if one.named_as_task:
            tasks.append(part(one, lambda *asked: asdict(measure(*asked)), seeds))
            noise.append(about | {"software": tasks[-1]["software"], "chip": tasks[-1]["chip"][0]})
        elif not campaign.quick:
            noise.append(about | part(one, _judged, seeds[:1]))
    findings = [finding for one in tasks for finding in _findings(typed(Measured, one, "task"))]
    findings += [finding for one in noise if len(noise) > len(tasks) for finding in _noise_findings(one, seeds)]
    return Measurement({"tasks": tasks, "noise": noise}, findings=tuple(findings))


def _judged(task: Classification, settings: Settings, display: Display, workload: Workload) -> dict[str, float | None]:
    """The metric in software and on the chips."""
    found = compare(workload, settings, display).figures(lambda results: task.score(results, task.task.metrics[0]))
    return {name: found[name] for name in ("software", "chip")}


def _findings(found: Measured) -> Iterator[Finding]:
    """Accuracies with their spread over chips; then what the paper states as trends."""
    about = found.about
    of = f", {about['task']}" if about["network"] == about["task"] else f", {about['task']}, {about['network']}"
    # No network of the paper's: its digest says which one it is.
    data, chips = f"{about['samples']}; network {about['network_digest'][:8]}", describe_seeds(about["chips"])
    low, high = (100 * value for value in found.interval)
    for words, value, engine, seen in (
        ("in software", found.software, "float32", f"{data}; 95 % interval {low:.1f} to {high:.1f} %"),
        ("on chips without noise", found.ideal, "twin, ideal", data),
    ):
        what = f"{found.metric} of ALBERT {words}{of}"
        yield Finding(what, 100 * value, "%", engine, seen, "no device differs", digits=1)
    for what, values in (
        (f"{found.metric} of ALBERT on noisy chips", found.chip),
        ("samples that chips decide otherwise than software", found.flipped),
    ):
        percent, told = 100 * np.array(values), {"engine": "twin", "data": data, "seeds": chips, "digits": 1}
        yield Finding.over(what + of, percent, "%", **told)
    for trend in trends(found):
        yield from trend.findings(of, data, about["chips"])


def _noise_findings(one: Mapping[str, Any], seeds: range) -> Iterator[Finding]:
    for key, words, engine in (("software", "in software", "float32"), ("chip", "on a noisy chip", "twin")):
        yield Finding(
            f"trained with noise times {one['scale']:g}, {words}, {one['network']}",
            100 * one[key],
            "%",
            engine=engine,
            data=one["task"],
            seeds=describe_seeds(seeds[:1]),
            digits=1,
            paper="some noise is better than none: the best scale is mostly 1 to 2",
            source="Nat. Commun. 16, 8661 (2025), Fig. 4b",
        )


def _all(measurement: Measurement) -> list[Measured]:
    return [typed(Measured, one, "task") for one in measurement.numbers["tasks"]]


def _about(measurement: Measurement) -> str:
    found = _all(measurement)
    holds = [trend.holds for one in found for trend in trends(one)]
    named = listed(
        f"{one.about['task']} (network {one.about['network']}, {one.about['network_digest']})" for one in found
    )
    chips = describe_seeds(found[0].about["chips"])
    return (
        f"ALBERT-base, twelve passes through the shared layer of one chip, on {named}: trained here, "
        f"none of them the paper's. {found[0].about['samples']}, {chips}. Of the paper's trends {sum(holds)} of "
        f"{len(holds)} are seen; each stands beside its figures."
    )


def write(found: Measured, folder: Path) -> dict[str, Path]:
    """Figures, trends and pictures of one task into a folder; where each of them is."""
    pictures = {"exits": draw_exits, "errors": draw_errors, "margins": draw_margins}
    files = {"json": folder / "results.json"} | {name: folder / f"{name}.png" for name in pictures}
    told = [{**asdict(trend), "here": trend.here} for trend in trends(found)]
    for name, draw in pictures.items():
        write_picture(draw([found]), files[name])
    write_text(files["json"], to_json({**asdict(found), "trends": told}, indent=1) + "\n")
    return files


STUDY = Study(
    name="albert",
    title="ALBERT on one chip",
    about=_about,
    measure=measured,
    figures=(
        Figure(
            "albert-exits",
            "Accuracy with the head after each pass, and where samples settle.",
            lambda measurement: draw_exits(_all(measurement)),
        ),
        Figure(
            "albert-errors",
            "Errors of products, all that has come together, by layer-block and pass.",
            lambda measurement: draw_errors(_all(measurement)),
        ),
        Figure(
            "albert-margins",
            "Margins in software, and which samples a chip decides otherwise.",
            lambda measurement: draw_margins(_all(measurement)),
        ),
        Figure(
            "albert-noise",
            "Accuracy by the noise that a network was trained with, where there are several.",
            lambda measurement: draw_noise(measurement.numbers["noise"]),
        ),
    ),
)
