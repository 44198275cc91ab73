"""A network on its chips, ready to run: on the twin, the RTL, both, chips without noise, or in float without a chip."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.engines.session import ChipSession, Closing
from cosim.files.digest import digest, digest_of_arrays
from cosim.graph import Graph
from cosim.graph.graph import Walk
from cosim.system.building import BuildOptions, build
from cosim.system.checkpoint import Checkpoint, code_digest
from cosim.system.chip_codes import ChipCodes
from cosim.system.chips import Chips
from cosim.system.image import SystemImage
from cosim.system.inputs import Inputs, have_batch_axis, joined, samples_of
from cosim.system.kept import resumed
from cosim.system.layer_errors import LayerErrors
from cosim.system.models import Model
from cosim.system.network import Network
from cosim.system.products import ChipProducts, NodeProducts
from cosim.system.reuse import reused
from cosim.system.scheduler import SIDE_BY_SIDE, Multiplier, run_walks
from cosim.system.sessions import ENGINES, opened
from rtl.config import ChipConfig

__all__ = ["Run", "System"]

Result = TypeVar("Result")
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Run:
    """Which chips, and what runs them.

    Parameters
    ----------
    engine : str
        Of `ENGINES`: "float", no chip; "ideal", chips without noise on the twin; "twin"; "rtl"; "both", the RTL, every
        code compared with the twin's.
    analog : AnalogConfig
        Its age is that of the calibration.
    seed : int
        Mismatch and noise of all chips.
    aged_s : float, optional
        Read the chips at this age, calibrated as they were at the age of `analog`.
    recalibrated : bool
        Calibrate them again at that age.
    only : str
        Patterns, with commas between them, of the matrices that chips multiply, the others being multiplied in float32:
        whose errors cost what.
    rtl_frames : int, optional
        With "both", so many frames of a call go through the RTL at most, evenly spread, and all through the twin.
    """

    engine: str = "twin"
    analog: AnalogConfig = field(default_factory=AnalogConfig)
    seed: int = 0
    aged_s: float | None = None
    recalibrated: bool = False
    only: str = "*"
    rtl_frames: int | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {self.engine!r}")
        if self.rtl_frames is not None and (self.rtl_frames < 1 or self.engine != "both"):
            raise ValueError(
                f"rtl_frames must be 1 or more, with engine 'both'; got {self.rtl_frames}, {self.engine!r}"
            )
        if self.engine == "ideal":
            ideal = replace(AnalogConfig.ideal(self.analog.devices), age_s=self.analog.age_s)
            object.__setattr__(self, "analog", ideal)


class System(Closing):
    """Chips with a network on them; a context manager that ends the simulators.

    Parameters
    ----------
    image : SystemImage
    run : Run, optional
    say : callable (words, done, all), optional
        Told what is being done.
    made : Chips, optional
        Programmed and calibrated before, for such a run.

    Raises
    ------
    NetworkError
        If `only` fits no matrix.

    Examples
    --------
    Samples of a workload's own are walks, which may combine graphs and host as they like::

        def transcribed(network, audio):
            encoded = yield from network.walk({"features": audio}, graph="encoder")
            ...

        with System(image, Run(engine="both", seed=3)) as system:
            texts = system.results(transcribed(system.network, audio) for audio in clips)
    """

    def __init__(
        self,
        image: SystemImage,
        run: Run | None = None,
        *,
        say: Callable[[str, int, int], None] = lambda words, done, total: None,
        made: Chips | None = None,
    ) -> None:
        self.image, self.options, self._say = image, run or Run(), say
        image.network.matching(self.options.only)
        if made is not None:
            self.made = made
        self._stack = ExitStack()
        self._sessions: list[ChipSession] = []

    @classmethod
    def of(
        cls,
        model: "SystemImage | Network | Graph | Path | str",
        samples: Inputs,
        *,
        chips: int | None = None,
        options: BuildOptions | None = None,
        config: ChipConfig | None = None,
        run: Run | None = None,
    ) -> "System":
        """A network on as many chips as it takes, ready to run.

        Parameters
        ----------
        model : Graph, Network, or Path
            Of a file: a graph, an ONNX model, a folder of Hugging Face's.
        samples : Inputs
            Ranges are chosen, and chips calibrated, with them.
        chips : int, optional
        options : BuildOptions, optional
        config : ChipConfig, optional
            The full chip by default.
        run : Run, optional
        """
        if isinstance(model, SystemImage):
            return cls(model, run)
        axes: Mapping[str, int] = {}
        if isinstance(model, str | Path):
            loaded = Model.load(Path(model))
            model, axes = loaded.graph, loaded.axes
        network = Network.of(model)
        options = options or BuildOptions()
        if chips is not None:
            options = replace(options, layout=replace(options.layout, chips=chips))
        given = samples_of(network.only, samples, axes)
        image = build(network, lambda: map(network.walk, given), options, config=config)
        return cls(replace(image, axes=axes), run)

    def reread(self, *, only: str = "*", aged_s: float | None = None, recalibrated: bool = False) -> "System":
        """The same chips, read otherwise; parameters as of `Run`. Nothing is programmed again."""
        run = replace(self.options, only=only, aged_s=aged_s, recalibrated=recalibrated)
        return System(self.image, run, say=self._say, made=self.made)

    @property
    def network(self) -> Network:
        return self.image.network

    @cached_property
    def made(self) -> Chips:
        """The chips as they were programmed and calibrated, now or by an earlier run."""
        chosen = self.options
        parts = [self.image.digest, chosen.analog.to_json(), str(chosen.seed)]
        return reused(
            "systems",
            parts,
            lambda: Chips.made(
                self.image,
                chosen.analog,
                seed=chosen.seed,
                progress=lambda done, total: self._say("programming", done, total),
            ),
            save=Chips.save,
            load=lambda folder: Chips.load(folder, self.image),
            waiting=lambda: self._say("waiting for another process, which makes the same chips", 0, 0),
        )

    @cached_property
    def chips(self) -> Chips:
        """The chips at the age at which they are read."""
        chosen = self.options
        if chosen.aged_s is None:
            return self.made
        aged = self.made.aged(chosen.aged_s)
        return Chips.calibrated(self.image, aged.analog) if chosen.recalibrated else aged

    @cached_property
    def _multiplier(self) -> Multiplier:
        if self.options.engine == "float":
            return NodeProducts.of_floats(self.network)
        chips, layout, engine = self.chips, self.image.layout, self.options.engine
        self._say("starting the simulators" if engine in ("rtl", "both") else "starting", 0, 0)
        self._sessions = self._stack.enter_context(
            opened(engine, chips.images, chips.analog, layout.config, rtl_frames=self.options.rtl_frames)
        )
        executor = None
        if engine in ("rtl", "both") and len(self._sessions) > 1:
            executor = self._stack.enter_context(ThreadPoolExecutor(len(self._sessions)))
        codes = ChipCodes(self.network, layout, self.image.codings, self._sessions, executor)
        return ChipProducts(self.network, codes, chips.affine, self.options.only)

    @property
    def statistics(self) -> list[Mapping[str, Any]]:
        """Of every chip's session, so far."""
        return [session.statistics for session in self._sessions]

    @property
    def description(self) -> dict[str, str]:
        """Everything that determines what a walk gives: what a `Checkpoint` is told beside the samples."""
        chosen = self.options
        return {
            "code": code_digest(),
            "image": self.image.digest,
            "engine": chosen.engine,
            "analog": chosen.analog.to_json(),
            "seed": str(chosen.seed),
            "age": f"{chosen.aged_s} s, {'re' if chosen.recalibrated else 'not re'}calibrated",
            "only": chosen.only,
        }

    def walked(
        self, walks: Iterable[tuple[int, Walk[Result]]], *, batch: int = SIDE_BY_SIDE
    ) -> Iterator[tuple[int, Result]]:
        """Results of numbered walks, as they end. A sample's number keys its noise."""
        return run_walks(walks, self._multiplier, batch=batch)

    def results(
        self, walks: Iterable[Walk[Result]], *, batch: int = SIDE_BY_SIDE, progress: Callable[[int], None] | None = None
    ) -> list[Result]:
        """Results of walks, one for each sample, in their order.

        Parameters
        ----------
        walks : iterable of walks
        batch : int
            Most that are under way at once; it changes no result.
        progress : callable (samples done), optional
        """
        found: dict[int, Result] = {}
        for sample, result in self.walked(enumerate(walks), batch=batch):
            found[sample] = result
            if progress is not None:
                progress(len(found))
        return [found[sample] for sample in sorted(found)]

    def run(
        self,
        inputs: Inputs,
        *,
        errors: LayerErrors | None = None,
        checkpoint: Path | None = None,
        batch: int = SIDE_BY_SIDE,
        progress: Advance | None = None,
    ) -> dict[str, NDArray | list[NDArray]]:
        """Outputs of a network that is one graph.

        Parameters
        ----------
        inputs : Inputs
            An array whose first axis are the samples; a mapping of such arrays where the graph has several inputs; or a
            sequence of samples of different shapes.
        errors : LayerErrors, optional
            Watches every layer.
        checkpoint : Path, optional
            Folder in which results are kept as they come, and from which the run goes on.
        batch : int
            Most samples that are under way at once; it changes no result.
        progress : callable (samples done, all), optional

        Returns
        -------
        dict of str to array
            Every output, samples along the first axis; a list where their shapes differ.

        Raises
        ------
        InputError
            If the inputs are not those of the graph.
        CheckpointError
            If the folder belongs to another run.
        """
        network = self.network
        samples = samples_of(network.only, inputs, self.image.axes)
        place = None
        if checkpoint is not None:
            content = digest(digest_of_arrays(*(one[name] for name in sorted(one))) for one in samples)
            place = Checkpoint(checkpoint, {**self.description, "samples": f"{len(samples)} ({content})"})

        def walk(number: int) -> Walk[Mapping[str, NDArray]]:
            own = network.walk(samples[number])
            step = yield from (own if errors is None else errors.beside(own, network.walk(samples[number]), number))
            return step.outputs

        found = resumed(
            len(samples),
            walk,
            lambda walks: self.walked(walks, batch=batch),
            checkpoint=place,
            errors=errors,
            progress=progress,
        )
        return joined(found, batched=have_batch_axis(samples, self.image.axes))

    def close(self) -> None:
        """End the simulators; a second call does nothing."""
        self._stack.close()
