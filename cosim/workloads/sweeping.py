"""Any workload as a sweep: the figures of its task on chips of every seed, age, device model and set of constants."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from analog_models.config import AnalogConfig
from cosim.files.archive import read_arrays, write_arrays
from cosim.files.digest import digest
from cosim.files.json_text import to_json
from cosim.sweep import CALIBRATED_S, Point, Shown, Store, Stored, Subject, SweepError
from cosim.sweep.points import Cell
from cosim.sweep.workers import GB
from cosim.system.image import SystemImage
from cosim.system.kept import resumed
from cosim.system.products import NodeProducts
from cosim.system.reuse import reused
from cosim.system.scheduler import run_walks
from cosim.system.system import Run, System
from cosim.workloads.comparison import Comparison, Result, Settings, Variant, Workload, system_image
from cosim.workloads.scores import ScoreReport

__all__ = ["MEMORY", "Judged", "TaskFigures", "subject"]

#: Bytes that a worker may take: an estimate, for a chip full of matrices, its samples and libraries.
MEMORY = 4 * GB

Say = Callable[[str, int, int], None]
Setting = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Judged:
    """A task whose samples are read.

    Parameters
    ----------
    workload : callable (constants that ranges are chosen for) -> Workload
    report : callable (comparison) -> ScoreReport
    """

    workload: Callable[[AnalogConfig], Workload]
    report: Callable[[Comparison], ScoreReport]


@dataclass(frozen=True)
class TaskFigures:
    """The figures of a task on chips of a point, beside software's, on the twin.

    Parameters
    ----------
    prepare : callable () -> Judged
        Pickled by its name: a worker reads the samples itself, once.
    described : str
        Digest of the samples.
    images : mapping of (devices, constants) to Stored
        What chips hold: ranges are chosen for the constants of the chips.
    software : Stored
        Results of the float network.
    recalibrated : bool
        Calibrate chips again at the age of their reads.
    """

    prepare: Callable[[], Judged]
    described: str
    images: Mapping[Setting, Stored[SystemImage]]
    software: Stored[tuple[Result, ...]]
    recalibrated: bool = False

    def __call__(self, point: Point) -> Mapping[str, Cell]:
        judged, analog = self._judged(), point.analog()
        workload, image = judged.workload(analog), self.images[_setting(point)].value
        aged_s = None if point.age_s == CALIBRATED_S else point.age_s
        run = Run("twin", analog, point.seed, aged_s, self.recalibrated and aged_s is not None)
        with System(image, run) as system:
            chip = tuple(system.results(map(workload.walk, range(workload.samples)), batch=workload.batch))
        settings = Settings("twin", analog, (point.seed,), aged_s, run.recalibrated)
        variants = {"software": Variant(self.software.value, 0.0), f"chip {point.seed}": Variant(chip, 0.0)}
        values: dict[str, Cell] = {}
        for score in judged.report(Comparison(settings, variants, image)).scores:
            values[score.key] = score.figure(chip)
            values[f"software_{score.key}"] = score.figure(self.software.value)
        return values

    def _judged(self) -> Judged:
        """The samples; a process keeps them."""
        if self.described not in _kept:
            judged = self.prepare()
            if (found := _described(judged)) != self.described:
                raise SweepError(f"a worker reads other samples than the sweep ({found} and {self.described})")
            _kept.clear()
            _kept[self.described] = judged
        return _kept[self.described]


#: The last task that this process has read, by the digest of its samples.
_kept: dict[str, Judged] = {}


def _setting(point: Point) -> Setting:
    return point.devices, point.constants


def _described(judged: Judged) -> str:
    return digest([to_json(judged.workload(AnalogConfig()).described, sort_keys=True)])


def subject(
    name: str,
    prepare: Callable[[], Judged],
    *,
    recalibrated: bool = False,
    trials: int = 24,
    say: Say = lambda words, done, total: None,
) -> Subject:
    """A task as a sweep.

    Parameters
    ----------
    name : str
        Of the workload.
    prepare : callable () -> Judged
        As of `TaskFigures`.
    recalibrated : bool
    trials : int
        Evaluations of the whole network by which ranges are refined.
    say : callable (words, done, all)
    """
    judged = prepare()
    workload = judged.workload(AnalogConfig())
    graphs = {graph: own.digest for graph, own in workload.network.graphs.items()}

    def software() -> tuple[Result, ...]:
        products = NodeProducts.of_floats(workload.network)
        return tuple(
            resumed(
                workload.samples,
                workload.walk,
                partial(run_walks, multiplier=products, batch=workload.batch),
                progress=partial(say, "software"),
            )
        )

    exact = reused(
        "software",
        [to_json(graphs, sort_keys=True), to_json(workload.described, sort_keys=True)],
        software,
        save=lambda results, folder: _save(results, folder / _RESULTS),
        load=lambda folder: _load(folder / _RESULTS),
    )

    def image_for(point: Point) -> SystemImage:
        own = judged.workload(point.analog())
        return system_image(replace(own, options=replace(own.options, trials=trials)), say)

    def measure(store: Store, points: Sequence[Point]) -> TaskFigures:
        settings = {_setting(point): point for point in points}
        images = {
            setting: store.put("image.npz", image_for(point), SystemImage.save, SystemImage.load)
            for setting, point in settings.items()
        }
        kept = store.put(_RESULTS, exact, _save, _load)
        return TaskFigures(prepare, _described(judged), images, kept, recalibrated)

    report = judged.report(Comparison(Settings("float"), {"software": Variant(exact, 0.0)}))
    shown = tuple(Shown(score.key, score.words, f"software_{score.key}") for score in report.scores)
    described = {
        "workload": name,
        "engine": "twin",
        **{f"graph {graph}": content for graph, content in graphs.items()},
        **workload.described,
        "trials": str(trials),
        "recalibrated": str(recalibrated),
    }
    return Subject(f"{name}, {report.data}", described, measure, shown, MEMORY)


#: The file of results.
_RESULTS = "results.npz"


def _save(results: tuple[Result, ...], path: Path) -> None:
    write_arrays(path, {f"{number} {name}": array for number, own in enumerate(results) for name, array in own.items()})


def _load(path: Path) -> tuple[Result, ...]:
    found: dict[int, dict] = {}
    for key, array in read_arrays(path, "results").items():
        number, _, name = key.partition(" ")
        found.setdefault(int(number), {})[name] = array
    return tuple(found[number] for number in range(len(found)))
