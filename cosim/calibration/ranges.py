"""Ranges of inputs, weights and products, chosen for what is lost: by rounding, cutting off, and the devices' errors.

Each matrix has five choices: how far its rows are equalised, which share of its largest input is the longest pulse,
how readily a column's largest weights are cut off, which share of a block's columns keeps what is left of them at 1,
and which share of its largest product a code still tells. First each matrix takes what loses least of its own outputs
on the samples; then those that lose most take what the task loses least with.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cosim.calibration.coding import Coding, expanded, rows_of, without
from cosim.calibration.expected import DeviceErrors
from cosim.calibration.readouts import Scale
from cosim.graph import Linear

__all__ = ["Choice", "MatrixRanges", "by_inputs", "choose", "codings", "refine"]

Array = NDArray[np.float64]
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Choice:
    """The choices for one matrix.

    Parameters
    ----------
    equalise : float
        Power of a row's largest input, beyond the median one, that its weights take over: 0 leaves the rows as they
        are, 1 makes the largest inputs of all rows above the median equal, as SmoothQuant's exponent does.
    inputs : float
        Share of the largest input to be expected that is the longest pulse; larger ones are cut off.
    columns : float
        Share of a block's columns whose products fit with their largest weight at 1; the others' weights are smaller.
    outputs : float
        Share of the largest product to be expected of a column that is the last code.
    weights : float
        How much the devices' errors count where a column's largest weights are cut off, so that its others fill more of
        the devices' range: 0 cuts none, 1 balances what cutting off and the devices cost.
    """

    equalise: float = 0.0
    inputs: float = 1.0
    columns: float = 0.75
    outputs: float = 1.0
    weights: float = 0.0


#: What is tried of each choice.
_TRIED: Mapping[str, Sequence[float]] = {
    "equalise": (0.0, 0.25, 0.5, 0.75, 1.0),
    "inputs": (1.0, 0.8, 0.6, 0.45, 0.3, 0.2, 0.12, 0.07),
    "columns": (1.0, 0.9, 0.75, 0.5, 0.25),
    "outputs": (1.2, 1.0, 0.85, 0.7, 0.55, 0.4),
    "weights": (0.0, 0.5, 1.0),
}
#: How far at least values are expected to reach; of normal ones, one of 16,000 is beyond.
_ROOT_MEAN_SQUARES = 4.0
#: Losses that differ by less than this ratio are alike.
_ALIKE = 1.03
#: Of a column's largest weight, where it may be cut off.
_CUTS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)


@dataclass(frozen=True, eq=False)
class MatrixRanges:
    """One matrix, with what goes through it on the samples.

    Parameters
    ----------
    linear : Linear
    scales : tuple of Scale
        Of every block.
    samples : mapping of str to (frames, inputs) float32
        Inputs of every node that uses it.
    errors : DeviceErrors
    copies : int
    expansion : (inputs, rows) float32, optional
    outliers : tuple of int
        Inputs whose products are the host's.
    """

    linear: Linear
    scales: tuple[Scale, ...]
    samples: Mapping[str, NDArray[np.float32]]
    errors: DeviceErrors
    copies: int = 1
    expansion: NDArray[np.float32] | None = None
    outliers: tuple[int, ...] = ()

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        return expanded(self.linear.weights, self.expansion, self.outliers)

    @cached_property
    def _rest(self) -> Mapping[str, NDArray[np.float32]]:
        """Inputs whose products are the chip's."""
        return {node: without(x, self.outliers) for node, x in self.samples.items()}

    @cached_property
    def _inputs(self) -> Mapping[str, NDArray[np.float32]]:
        """As they go to the rows."""
        return {node: x if self.expansion is None else x @ self.expansion for node, x in self._rest.items()}

    @cached_property
    def _centres(self) -> Mapping[str, NDArray[np.float32]]:
        return {node: x.mean(axis=0) for node, x in self._inputs.items()}

    @cached_property
    def _varying(self) -> Mapping[str, NDArray[np.float32]]:
        """What the inputs of the rows differ by from their mean."""
        return {node: x - self._centres[node] for node, x in self._inputs.items()}

    @cached_property
    def _products(self) -> Mapping[str, NDArray[np.float32]]:
        """Of what varies of the chip's inputs."""
        return {node: (x - x.mean(axis=0)) @ self.linear.weights for node, x in self._rest.items()}

    @cached_property
    def _squares(self) -> Mapping[str, float]:
        """Of all that varies of the outputs, the host's products included."""
        whole = self._products
        if self.outliers:
            whole = {node: (x - x.mean(axis=0)) @ self.linear.weights for node, x in self.samples.items()}
        return {node: float(np.square(y).sum()) or 1.0 for node, y in whole.items()}

    @cached_property
    def _largest_inputs(self) -> Array:
        """Of every row, over all nodes, each in units of the node's own largest."""
        return np.max([_reach(x) / (_reach(x.ravel()) or 1.0) for x in self._varying.values()], axis=0)

    @property
    def largest_products(self) -> Array:
        """Of every input, the largest that it makes with one weight, in units of the largest input."""
        varying = [np.abs(x - x.mean(axis=0)) for x in self.samples.values()]
        inputs = np.max([x.max(axis=0) / (x.max() or 1.0) for x in varying], axis=0)
        largest: Array = inputs * np.abs(self.linear.weights).max(axis=1)
        return largest

    def sent(self, choice: Choice) -> "Sent":
        """What the rows get with a choice for the inputs."""
        largest = self._largest_inputs
        used = largest[largest > 0]
        rows = np.ones(len(largest))
        if used.size:
            # A row that the samples hardly reach may be reached like any other by what they do not show.
            rows = np.maximum(largest / np.median(used), 1.0) ** choice.equalise
        scales = {node: choice.inputs * float(_reach((x / rows).ravel())) or 1.0 for node, x in self._varying.items()}
        coding = Coding(
            rows, scales, self._centres, {}, {}, self.expansion, self.outliers, duration=self.scales[0].duration
        )
        return Sent(self, coding, choice.weights)

    def loss(self, choice: Choice) -> float:
        """Expected square error of the outputs over the square of what varies of them, nodes averaged."""
        return self.sent(choice).loss(choice)

    def best_outputs(self, choice: Choice) -> Choice:
        """What loses least with this choice for the inputs."""
        losses: dict[Choice, float] = {}
        for weights in _TRIED["weights"]:
            sent = self.sent(replace(choice, weights=weights))
            for columns, outputs in product(_TRIED["columns"], _TRIED["outputs"]):
                tried = replace(choice, weights=weights, columns=columns, outputs=outputs)
                losses[tried] = sent.loss(tried)
        return _widest(losses)


class Sent:
    """What a matrix's rows get with one choice for the inputs, and the sums that come of it.

    Parameters
    ----------
    matrix : MatrixRanges
    coding : Coding
        Scales of the inputs; those of the blocks are missing.
    weights : float
        As of `Choice`.
    """

    def __init__(self, matrix: MatrixRanges, coding: Coding, weights: float) -> None:
        self._matrix, self._coding = matrix, coding
        top = np.float32(coding.duration)
        self._sent = {node: coding.codes(node, x) / top for node, x in matrix._inputs.items()}
        joined = np.concatenate(list(self._sent.values()))
        power = np.square(joined).mean(axis=0)
        #: Of every block its largest weight by column, and its products, all nodes' frames one after the other.
        self._blocks: dict[Scale, tuple[Array, NDArray[np.float32]]] = {}
        #: How far each column's products reach.
        self._reaches: dict[Scale, NDArray] = {}
        self._squares: dict[Scale, NDArray[np.float32]] = {}
        for scale in matrix.scales:
            rows = rows_of(scale.block.rows, len(coding.rows))
            part = coding.scaled(scale.block, matrix._weights).astype(np.float32)
            floor, _ = matrix.errors.variances(scale.block.mode)
            largest = _largest(part, power[rows], weights * floor / matrix.copies)
            part = np.clip(part, -largest, largest)
            products = joined[:, rows] @ part
            self._blocks[scale] = np.where(largest > 0, largest, 1.0), products
            self._reaches[scale] = _reach(products)
            self._squares[scale] = np.square(part)

    def full_scales(self, choice: Choice) -> dict[str, float]:
        """Of every block, what the choice of columns and outputs means."""
        found = {}
        for scale, (largest, _) in self._blocks.items():
            wanted = choice.outputs * self._reaches[scale] / largest
            found[scale.block.name] = float(np.quantile(wanted, choice.columns).clip(scale.smallest, scale.largest))
        return found

    def coding(self, choice: Choice, full_scales: Mapping[str, float]) -> Coding:
        """All scales."""
        columns = {}
        for scale, (largest, _) in self._blocks.items():
            full = full_scales[scale.block.name]
            columns[scale.block.name] = np.maximum(largest, choice.outputs * self._reaches[scale] / full)
        return self._coding.with_blocks(columns, {name: full_scales[name] for name in columns})

    def loss(self, choice: Choice) -> float:
        """As of `MatrixRanges`."""
        matrix, coding = self._matrix, self.coding(choice, self.full_scales(choice))
        lost, at = [], 0
        for node, exact in matrix._products.items():
            frames = slice(at, at + len(exact))
            at += len(exact)
            got, variance = np.zeros_like(exact), np.zeros(exact.shape[1])
            for scale, (_, products) in self._blocks.items():
                block = scale.block
                worth = coding.worth(node, block.name) / matrix.copies
                told = coding.told(products[frames] / coding.columns[block.name].astype(np.float32), block.name)
                told *= worth.astype(np.float32)
                got[:, slice(*block.columns)] += told
                power = np.square(self._sent[node][:, rows_of(block.rows, len(coding.rows))]).sum(axis=0)
                floor, share = matrix.errors.variances(block.mode)
                variance[slice(*block.columns)] += floor * float(power.sum()) * worth**2
                unit = coding.inputs[node] / matrix.copies
                variance[slice(*block.columns)] += share * (power @ self._squares[scale]) * unit**2
            got -= exact
            error = float(np.vdot(got, got)) + float(variance.sum())
            lost.append(error / matrix._squares[node])
        return float(np.mean(lost))


def _widest(losses: Mapping[Choice, float]) -> Choice:
    """Of the choices that lose about least, the one that cuts off least of what the samples do not show."""
    least = min(losses.values())
    alike = {choice: loss for choice, loss in losses.items() if loss <= _ALIKE * least}
    return min(alike, key=lambda choice: (-choice.inputs, -choice.outputs, alike[choice]))


def _reach(values: NDArray) -> NDArray:
    """Largest magnitudes along the first axis that are to be expected: of few samples, more than they show."""
    return np.maximum(np.abs(values).max(axis=0), _ROOT_MEAN_SQUARES * np.sqrt(np.square(values).mean(axis=0)))


def _largest(weights: NDArray[np.float32], power: NDArray[np.float32], variance: float) -> NDArray[np.float32]:
    """Where each column of weights is cut off, (columns,), so that this and errors of the devices cost least together.

    Parameters
    ----------
    weights : (rows, columns)
    power : (rows,)
        Mean squares of the inputs, which are taken to be independent.
    variance : float
        Of the weights' errors that do not depend on the weight, in squares of the largest.
    """
    magnitudes = np.abs(weights)
    largest = magnitudes.max(axis=0)
    if not variance:
        return largest
    costs = [
        power @ np.square(np.maximum(magnitudes - cut * largest, 0)) + variance * power.sum() * np.square(cut * largest)
        for cut in _CUTS
    ]
    return largest * np.array(_CUTS, np.float32)[np.argmin(costs, axis=0)]


def choose(
    matrices: Mapping[str, MatrixRanges], alike: Sequence[Sequence[str]] = (), progress: Advance | None = None
) -> dict[str, Choice]:
    """For every matrix what loses least of its own outputs.

    Parameters
    ----------
    matrices : mapping of str to MatrixRanges
    alike : sequence of sequences of str
        Matrices that share their inputs, and so the choices for these.
    progress : callable (matrices done, all), optional
    """
    chosen: dict[str, Choice] = {}
    for group in by_inputs(matrices, alike):
        if progress is not None:
            progress(len(chosen), len(matrices))
        tried = (Choice(*one) for one in product(_TRIED["equalise"], _TRIED["inputs"]))
        best = _widest({choice: sum(matrices[name].loss(choice) for name in group) for choice in tried})
        chosen |= {name: matrices[name].best_outputs(best) for name in group}
    return chosen


def by_inputs(matrices: Iterable[str], alike: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Matrices in groups that share their inputs, most of them alone."""
    grouped = {name for group in alike for name in group}
    return [*alike, *((name,) for name in matrices if name not in grouped)]


def refine(
    matrices: Mapping[str, MatrixRanges],
    choices: Mapping[str, Choice],
    loss: Callable[[Mapping[str, Choice]], float],
    trials: int,
    *,
    alike: Sequence[Sequence[str]] = (),
    progress: Advance | None = None,
) -> dict[str, Choice]:
    """Choices with which the task loses less: a step up or down at a time, in the matrices that lose most.

    Parameters
    ----------
    matrices : mapping of str to MatrixRanges
    choices : mapping of str to Choice
        Where to begin.
    loss : callable
        Of the task, with choices for all matrices.
    trials : int
        Most evaluations of `loss`.
    alike : sequence of sequences of str
        As of `choose`.
    progress : callable (trials done, trials in all), optional
    """
    best = dict(choices)
    if not trials:
        return best
    group_of = {name: tuple(group) for group in alike for name in group}
    order = sorted(matrices, key=lambda name: -matrices[name].loss(best[name]))
    groups = dict.fromkeys(group_of.get(name, (name,)) for name in order)
    least, done = loss(best), 1
    for group in groups:
        for what, step in _STEPS:
            if done == trials:
                return best
            stepped = {name: _stepped(best[name], what, step) for name in group}
            changed = {name: choice for name, choice in stepped.items() if choice is not None}
            if len(changed) == len(group):
                done += 1
                if (found := loss({**best, **changed})) < least:
                    best, least = {**best, **changed}, found
                if progress is not None:
                    progress(done, trials)
    return best


_STEPS = tuple((what, step) for what in ("inputs", "outputs", "equalise", "weights") for step in (1, -1))


def _stepped(choice: Choice, what: str, step: int) -> Choice | None:
    """The next value of one choice; None beyond the last."""
    values = _TRIED[what]
    at = values.index(getattr(choice, what)) + step
    return replace(choice, **{what: values[at]}) if 0 <= at < len(values) else None


def codings(
    matrices: Mapping[str, MatrixRanges], choices: Mapping[str, Choice], together: Sequence[Sequence[str]] = ()
) -> dict[str, Coding]:
    """Scales of all matrices; blocks that one ramp reads `together` get the largest full scale among them."""
    sent = {name: matrices[name].sent(choice) for name, choice in choices.items()}
    full: dict[str, float] = {}
    for name, choice in choices.items():
        full |= sent[name].full_scales(choice)
    for group in together:
        full |= dict.fromkeys(group, max(full[block] for block in group))
    return {name: sent[name].coding(choice, full) for name, choice in choices.items()}
