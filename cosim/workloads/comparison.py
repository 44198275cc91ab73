"""The same samples in float, on chips without noise and on noisy chips: what a network loses, and where.

Whoever has a network and a task gives a `Workload`; the figures that are made of the results are the workload's own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from types import MappingProxyType

import numpy as np

from analog_models.config import AnalogConfig
from cosim.files.json_text import to_json
from cosim.graph.errors import NetworkError
from cosim.graph.graph import Walk
from cosim.system.building import BuildOptions, build
from cosim.system.checkpoint import Checkpoint, code_digest
from cosim.system.image import SystemImage
from cosim.system.kept import Result, resumed
from cosim.system.layer_errors import LayerError, LayerErrors
from cosim.system.network import Network
from cosim.system.products import NodeProducts
from cosim.system.reuse import reused
from cosim.system.samples import Loss, Walks
from cosim.system.scheduler import run_walks
from cosim.system.system import Run, System
from cosim.workloads.display import Display
from rtl.config import ChipConfig, preset

__all__ = ["Comparison", "Progress", "Result", "Settings", "Variant", "Workload", "compare", "system_image"]


@dataclass(frozen=True, eq=False)
class Workload:
    """A network and the samples that it is judged by.

    Parameters
    ----------
    network : Network
    samples : int
    walk : callable (sample) -> walk
        Of its result.
    calibration : callable () -> walks
        Of samples that are not judged: ranges are chosen and chips calibrated with them.
    options : BuildOptions
        Which matrix goes where.
    described : mapping of str to str
        What determines the samples, for a checkpoint.
    config : ChipConfig
        Of the chips.
    loss : callable, optional
        Of the results of `calibration`; by default their relative square error.
    batch : int
        Most samples that are under way at once.
    watch : callable (errors, sample) -> walk, optional
        The walk with its errors watched; by default `LayerErrors.beside` another one.
    """

    network: Network
    samples: int
    walk: Callable[[int], Walk[Result]]
    calibration: Walks
    options: BuildOptions
    described: Mapping[str, str]
    config: ChipConfig = field(default_factory=preset)
    loss: Loss | None = None
    batch: int = 64
    watch: Callable[[LayerErrors, int], Walk[Result]] | None = None

    def watched(self, errors: LayerErrors, sample: int) -> Walk[Result]:
        """The walk of a sample with the errors of every matrix watched."""
        if self.watch is not None:
            return self.watch(errors, sample)
        return errors.beside(self.walk(sample), self.walk(sample), sample)


@dataclass(frozen=True)
class Settings:
    """What is run.

    Parameters
    ----------
    engine : str
        "float": no chip; "ideal": chips without noise as well; "twin", "rtl" or "both": noisy chips as well, there.
    analog : AnalogConfig
        Constants of noisy chips.
    seeds : tuple of int
        Noisy chips.
    aged_s : float, optional
        Read noisy chips at this age, s; `recalibrated` there or not.
    recalibrated : bool
    errors : bool
        Measure the errors of every matrix as well.
    checkpoint : Path, optional
        Folder in which results are kept as they come, and from which the run goes on.
    only : str
        Patterns, with commas between them, of the matrices that chips multiply; the others are multiplied in float32.
    rtl_frames : int, optional
        With "both", so many frames of a call go through the RTL at most, evenly spread, and all through the twin.
    """

    engine: str = "twin"
    analog: AnalogConfig = field(default_factory=AnalogConfig)
    seeds: tuple[int, ...] = (0,)
    aged_s: float | None = None
    recalibrated: bool = False
    errors: bool = False
    checkpoint: Path | None = None
    only: str = "*"
    rtl_frames: int | None = None

    def runs(self) -> Iterator[tuple[str, Run]]:
        """Every variant with its name, software first."""
        yield "software", Run("float")
        if self.engine != "float":
            yield "ideal", Run("ideal", self.analog, only=self.only)
        if self.engine in ("twin", "rtl", "both"):
            for seed in self.seeds:
                aged = self.aged_s, self.recalibrated
                yield f"chip {seed}", Run(self.engine, self.analog, seed, *aged, self.only, self.rtl_frames)


@dataclass(frozen=True)
class Variant:
    """Results of all samples on one of the engines.

    Parameters
    ----------
    results : tuple of Result
    wall_s : float
        Of this process; samples that were kept take none.
    errors : tuple of LayerError
        If they were asked for.
    compared_codes : int
        That both engines gave alike.
    cycles : int
        That simulators ran, of all chips.
    spent_s : mapping of str to float
        By simulators, over all chips: "cpu", and by the clock "simulator", "analog", "host" and "transfer".
    integrations : int
        Of tiles that the twin computed for itself.
    twin_s : float
        CPU time of these.
    frames : int
        Of all chips, in this process.
    reference_frames : int
        Of the twin beside the RTL; more than `frames` where the RTL ran a part.
    """

    results: tuple[Result, ...]
    wall_s: float
    errors: tuple[LayerError, ...] = ()
    compared_codes: int = 0
    cycles: int = 0
    spent_s: Mapping[str, float] = field(default_factory=dict)
    integrations: int = 0
    twin_s: float = 0.0
    frames: int = 0
    reference_frames: int = 0


@dataclass(frozen=True)
class Comparison:
    """One set of samples on every engine that was asked for.

    Parameters
    ----------
    settings : Settings
    variants : mapping of str to Variant
        "software", "ideal", "chip 0", ...
    image : SystemImage, optional
        What the chips hold; without chips there is none.
    """

    settings: Settings
    variants: Mapping[str, Variant]
    image: SystemImage | None = None

    @property
    def chips(self) -> tuple[Variant, ...]:
        """Those of noisy chips."""
        return tuple(variant for name, variant in self.variants.items() if name.startswith("chip "))

    def figures(self, figure: Callable[[Sequence[Result]], float]) -> dict[str, float | None]:
        """A figure of "software", "ideal" and "chip", the mean of noisy chips; None where none ran."""
        chips = [figure(chip.results) for chip in self.chips]
        ideal = self.variants.get("ideal")
        return {
            "software": figure(self.variants["software"].results),
            "ideal": None if ideal is None else figure(ideal.results),
            "chip": float(np.mean(chips)) if chips else None,
        }

    def each(self, figure: Callable[[Sequence[Result]], float]) -> dict[str, float]:
        """A figure of every variant."""
        return {name: figure(variant.results) for name, variant in self.variants.items()}


@dataclass
class Progress:
    """What a system says, on a display."""

    display: Display
    where: str
    _last: str = field(default="", init=False)

    def __call__(self, words: str, done: int, total: int) -> None:
        text = f"{self.where}: {words}"
        if text != self._last:
            self._last = text
            self.display(text)
        self.display.describe(text, done, total)


def compare(
    workload: Workload, settings: Settings, display: Display, *, known: Mapping[str, Variant] = MappingProxyType({})
) -> Comparison:
    """Run the samples on every engine that the settings name.

    Parameters
    ----------
    workload : Workload
    settings : Settings
    display : Display
    known : mapping of str to Variant
        By name, those that another comparison of the same samples has: they are not run again.

    Raises
    ------
    MappingError
        If the network does not fit onto the chips.
    CheckpointError
        If the checkpoint is another run's, or in use.
    NetworkError
        If no matrix fits the pattern of those that chips multiply, or there are no chips to multiply them.
    """
    workload.network.matching(settings.only)
    if settings.engine == "float" and settings.only != "*":
        raise NetworkError(f"in float no chip multiplies {settings.only!r}, or anything else; take another engine")
    image, variants = None, {}
    for name, run in settings.runs():
        if name in known:
            variants[name] = known[name]
            continue
        say = Progress(display, name)
        if run.engine == "float":
            variants[name] = _variant(workload, settings, None, name, say)
            continue
        if image is None:
            image = system_image(workload, say)
        with System(image, run, say=say) as system:
            variants[name] = _variant(workload, settings, system, name, say)
    return Comparison(settings, variants, image)


def system_image(workload: Workload, say: Callable[[str, int, int], None]) -> SystemImage:
    """What the chips hold: made now, or by an earlier run.

    Raises
    ------
    MappingError
        If the network does not fit onto the chips.
    """
    made_from = [
        *(graph.digest for graph in workload.network.graphs.values()),
        repr((workload.options, workload.config)),
        to_json(workload.described, sort_keys=True),
    ]
    return reused(
        "images",
        made_from,
        lambda: build(
            workload.network,
            workload.calibration,
            workload.options,
            config=workload.config,
            loss=workload.loss,
            say=say,
        ),
        save=lambda image, folder: image.save(folder / _IMAGE),
        load=lambda folder: SystemImage.load(folder / _IMAGE),
        waiting=lambda: say("waiting for another process, which puts the same network on chips", 0, 0),
    )


#: Parts of a simulator's time.
_SPENT = ("cpu", "simulator", "analog", "host", "transfer")
#: The image in the cache.
_IMAGE = "image.npz"


def _variant(workload: Workload, settings: Settings, system: System | None, name: str, say: Progress) -> Variant:
    """All samples on a system; in float without one."""
    started = perf_counter()
    errors = LayerErrors(workload.network) if settings.errors and system else None
    checkpoint = None
    if settings.checkpoint is not None:
        described = system.description if system else {"engine": "float", "code": code_digest()}
        checkpoint = Checkpoint(settings.checkpoint / name.replace(" ", "-"), {**described, **workload.described})

    def run(walks: Iterable[tuple[int, Walk[Result]]]) -> Iterator[tuple[int, Result]]:
        if system:
            return system.walked(walks, batch=workload.batch)
        return run_walks(walks, NodeProducts.of_floats(workload.network), batch=workload.batch)

    results = resumed(
        workload.samples,
        workload.walk if errors is None else partial(workload.watched, errors),
        run,
        checkpoint=checkpoint,
        errors=errors,
        progress=partial(say, "samples"),
    )
    on_twin = system is not None and system.options.engine in ("ideal", "twin")
    return Variant(
        tuple(results),
        perf_counter() - started,
        () if errors is None else tuple(errors),
        compared_codes=int(_counted(system, "compared_codes")),
        cycles=int(_counted(system, "cycles")),
        spent_s={part: _counted(system, f"{part}_s") for part in _SPENT} if _counted(system, "cycles") else {},
        integrations=int(_counted(system, "integrations")),
        twin_s=_counted(system, "cpu_s") if on_twin else 0.0,
        frames=int(_counted(system, "frames")),
        reference_frames=int(_counted(system, "reference_frames")),
    )


def _counted(system: System | None, what: str) -> float:
    """Over all chips."""
    return sum(session.get(what, 0) for session in system.statistics) if system else 0
