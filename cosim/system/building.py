"""From a network and samples to a system image: layout, then ranges that lose the task least."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.calibration.coding import Coding
from cosim.calibration.expected import DeviceErrors, ExpectedMatrix
from cosim.calibration.outliers import outliers
from cosim.calibration.ranges import Choice, MatrixRanges, by_inputs, choose, codings, refine
from cosim.compiler.errors import MappingError
from cosim.compiler.matrices import LayoutOptions, lay_out
from cosim.compiler.matrices.layout import Layout
from cosim.graph import Graph, NetworkError
from cosim.system.image import SystemImage, scale_of
from cosim.system.network import Network
from cosim.system.products import NodeProducts
from cosim.system.samples import Loss, Recorder, Walks, relative_loss
from cosim.system.scheduler import results_of
from rtl.config import ChipConfig, preset

__all__ = ["BuildOptions", "build"]

#: Says what is done, and how much of it: (words, done, all).
Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BuildOptions:
    """How a network is put on chips.

    Parameters
    ----------
    layout : LayoutOptions
        Its own constants are not asked; `analog` are.
    expansion : mapping of str to float
        Rows on the chip over inputs, of matrices by name or pattern, that a random matrix expands.
    outliers : float
        Share of a matrix's inputs, those that cost most range, whose products the host may keep at most.
    analog : AnalogConfig
        Whose devices' errors the ranges are chosen for, and whose readouts the layout has.
    trials : int
        Most evaluations of the task's loss.
    seed : int
        Of the random matrices.
    ranges : Choice, optional
        Taken for every matrix, instead of what loses least: for comparison.
    placed : Layout, optional
        Where everything sits, found before; `layout` is not asked then.
    """

    layout: LayoutOptions = field(default_factory=LayoutOptions)
    expansion: Mapping[str, float] = field(default_factory=dict)
    outliers: float = 0.0
    analog: AnalogConfig = field(default_factory=AnalogConfig)
    trials: int = 24
    seed: int = 0
    ranges: Choice | None = None
    placed: Layout | None = None


def build(
    model: Network | Graph | Mapping[str, Graph],
    walks: Walks,
    options: BuildOptions | None = None,
    *,
    config: ChipConfig | None = None,
    loss: Loss | None = None,
    say: Say = lambda words, done, total: None,
) -> SystemImage:
    """Lay a network out, and choose its ranges.

    Parameters
    ----------
    model : Network, Graph, or mapping of str to Graph
    walks : callable
        Begins a walk for every sample.
    options : BuildOptions, optional
    config : ChipConfig, optional
        The full chip by default.
    loss : callable, optional
        Of the task, given the results of the samples' walks; by default the relative square error of their outputs.
    say : callable (words, done, all), optional

    Raises
    ------
    MappingError
        If the network does not fit; the message says what is short.
    NetworkError
        If there are no samples, or they are no numbers.
    """
    network, options, config = Network.of(model), options or BuildOptions(), config or preset()
    say("running the samples in float", 0, 0)
    recorder = Recorder(network)
    exact = recorder.run(walks)
    expansions = _expansions(network, options)
    shapes = {
        name: (expansions[name].shape[1] if name in expansions else linear.inputs, linear.outputs)
        for name, linear in network.matrices.items()
    }
    if options.placed is None:
        say("placing", 0, 0)
        how = replace(options.layout, alike=options.layout.alike or network.alike, analog=options.analog)
        layout = lay_out(shapes, network.waves, how, config)
    else:
        layout = options.placed
        _check_placed(layout, shapes, config)
    placed = layout.blocks_of
    samples = {node: x for node, x in recorder.samples().items() if network.matrix_of[node] in placed}
    if unreached := [name for name in placed if name not in {network.matrix_of[node] for node in samples}]:
        raise NetworkError(
            f"the samples never come to {', '.join(unreached)}; give samples that do, or leave these to the host"
        )
    matrices = _ranges(network, layout, samples, expansions, options.analog)
    if options.outliers:
        say("looking for outliers", 0, 0)
        matrices = _split(matrices, by_inputs(matrices, _alike(layout, matrices)), options.outliers)
    if options.ranges is None:
        task = TaskLoss(network, layout, matrices, walks, loss or relative_loss(exact))
        chosen = _chosen(layout, matrices, task, options.trials, say)
    else:
        chosen = dict.fromkeys(matrices, options.ranges)
    return SystemImage(network, layout, codings(matrices, chosen, layout.together), samples)


def _check_placed(layout: Layout, shapes: Mapping[str, tuple[int, int]], config: ChipConfig) -> None:
    """Make sure that a layout is of such matrices on such chips."""
    if layout.config != config:
        raise MappingError("the layout that is given is for other chips than these")
    for name, blocks in layout.blocks_of.items():
        rows, columns = max(block.rows[1] for block in blocks), max(block.columns[1] for block in blocks)
        held = rows // layout.copies.get(name, 1), columns
        if held != shapes.get(name):
            raise MappingError(f"the layout that is given holds {name} as {held}, the network has {shapes.get(name)}")


def _chosen(
    layout: Layout, matrices: Mapping[str, MatrixRanges], task: "TaskLoss", trials: int, say: Say
) -> dict[str, Choice]:
    """Matrix by matrix what loses least of its outputs, then what the task loses least with."""
    alike = _alike(layout, matrices)
    chosen = choose(matrices, alike, lambda done, total: say("choosing ranges, matrix by matrix", done, total))
    return refine(
        matrices,
        chosen,
        task,
        trials,
        alike=alike,
        progress=lambda done, total: say("choosing ranges by what the task loses", done, total),
    )


def _expansions(network: Network, options: BuildOptions) -> dict[str, NDArray[np.float32]]:
    """Random matrices, (inputs, rows), of the matrices that are to be expanded."""
    found = {}
    random = np.random.default_rng(options.seed)
    for name, linear in network.matrices.items():
        ratio = next((ratio for pattern, ratio in options.expansion.items() if fnmatchcase(name, pattern)), 1.0)
        rows = round(ratio * linear.inputs)
        if rows > linear.inputs:
            normal = random.standard_normal((linear.inputs, rows), np.float32)
            found[name] = normal / np.float32(np.sqrt(linear.inputs))
    return found


def _ranges(
    network: Network,
    layout: Layout,
    samples: Mapping[str, NDArray[np.float32]],
    expansions: Mapping[str, NDArray[np.float32]],
    analog: AnalogConfig,
) -> dict[str, MatrixRanges]:
    """Of every matrix that is on a chip and that the samples reach."""
    errors = DeviceErrors.of(analog)
    by_matrix: dict[str, dict[str, NDArray[np.float32]]] = {}
    for node, x in samples.items():
        by_matrix.setdefault(network.matrix_of[node], {})[node] = x
    return {
        name: MatrixRanges(
            network.matrices[name],
            tuple(scale_of(layout, block.name, analog) for block in layout.blocks_of[name]),
            own,
            errors,
            layout.copies.get(name, 1),
            expansions.get(name),
        )
        for name, own in by_matrix.items()
    }


def _split(
    matrices: Mapping[str, MatrixRanges], groups: Sequence[Sequence[str]], share: float
) -> dict[str, MatrixRanges]:
    """The host keeps outliers."""
    split = dict(matrices)
    for group in groups:
        kept = outliers([matrices[name] for name in group], share)
        split |= {name: replace(matrices[name], outliers=kept) for name in group}
    return split


def _alike(layout: Layout, matrices: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Matrices that share their inputs."""
    groups: dict[str, tuple[str, ...]] = {}
    for name, owner in layout.shares.items():
        groups[owner] = (*groups.get(owner, (owner,)), name)
    return [group for group in groups.values() if all(name in matrices for name in group)]


class TaskLoss:
    """What the task is expected to lose with choices for all matrices.

    Parameters
    ----------
    network : Network
    layout : Layout
    matrices : mapping of str to MatrixRanges
    walks : callable
    loss : callable
    """

    def __init__(
        self, network: Network, layout: Layout, matrices: Mapping[str, MatrixRanges], walks: Walks, loss: Loss
    ) -> None:
        self._network, self._layout, self._matrices = network, layout, matrices
        self._walks, self._loss = walks, loss
        self._made: dict[str, tuple[tuple[Choice, Mapping[str, float]], ExpectedMatrix]] = {}

    def __call__(self, choices: Mapping[str, Choice]) -> float:
        """Loss of all samples."""
        coded = codings(self._matrices, choices, self._layout.together)
        expected = {name: self._expected(name, choices[name], coding) for name, coding in coded.items()}

        def product(node: str, x: NDArray[Any]) -> NDArray[Any]:
            matrix = self._network.matrix_of[node]
            if matrix in expected:
                return expected[matrix].run(node, x)
            return self._network.product(node, x)

        return self._loss(results_of(self._walks(), NodeProducts(product, together=True)))

    def _expected(self, name: str, choice: Choice, coding: Coding) -> ExpectedMatrix:
        """Kept from the evaluation before where nothing has changed."""
        key = choice, coding.full_scale
        if name not in self._made or self._made[name][0] != key:
            matrix = self._matrices[name]
            blocks: Sequence[Any] = [scale.block for scale in matrix.scales]
            made = ExpectedMatrix(matrix.linear, blocks, matrix.copies, coding, matrix.errors)
            self._made[name] = key, made
        return self._made[name][1]
