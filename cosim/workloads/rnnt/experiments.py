"""What the paper measures of its five chips beside the word error rate: layer by layer, expansion, and MACs.

A word error rate over few utterances hardly tells layers apart. So beside the words that are wrong every utterance has
its *surprise*: how unlikely the chips find, in the mean, what the float network decides; of one utterance it is
compared with that of the float network itself.

Source: Nature 620, 768 (2023), Figs. 4c, d, 5, 6b and Extended Data Fig. 8.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cosim.calibration.coding import expanded
from cosim.compiler.matrices import LayoutOptions, MatrixOptions
from cosim.graph import Request
from cosim.graph.graph import Walk, relay
from cosim.graph.operators.normalisation import PeakNorm
from cosim.system.building import BuildOptions
from cosim.system.products import NodeProducts
from cosim.workloads.rnnt.mapping import FIRST
from cosim.workloads.rnnt.model import RnntModel
from cosim.workloads.rnnt.quantised import levels, quantised, with_levels

__all__ = ["CHIP_4", "LAYERS_ON_CHIP", "MacErrors", "added_up", "expansion_in_float", "layers_alone", "on_first_rows"]

Floats = NDArray[np.float32]

#: Layers as Fig. 5a has them, and patterns of their matrices. The decoder is one chip.
LAYERS_ON_CHIP: Mapping[str, str] = {
    "Enc-LSTM0": "pre/lstm0/*",
    "Enc-LSTM1": "pre/lstm1/*",
    "Enc-LSTM2": "post/lstm2/*",
    "Enc-LSTM3": "post/lstm3",
    "Enc-LSTM4": "post/lstm4",
    "Enc-FC": "post/fc",
    "Dec": "prediction/*",
}
#: What chip 4 has, of which Fig. 6b is.
CHIP_4 = "post/lstm3,post/lstm4,post/fc"
#: Beyond, a cell's activation is saturated, and a ReLU's zero.
_REGION = 5.0


def added_up() -> dict[str, str]:
    """Patterns of more and more of the network on chips, from the input on, chip by chip as in Fig. 5b."""
    chips = {
        "Enc-LSTM0": LAYERS_ON_CHIP["Enc-LSTM0"],
        "+ Enc-LSTM1": LAYERS_ON_CHIP["Enc-LSTM1"],
        "+ Enc-LSTM2": LAYERS_ON_CHIP["Enc-LSTM2"],
        "+ Enc-LSTM3, 4, Enc-FC": CHIP_4,
        "+ Dec": LAYERS_ON_CHIP["Dec"],
    }
    patterns = list(chips.values())
    return {name: ",".join(patterns[: at + 1]) for at, name in enumerate(chips)}


def layers_alone(options: BuildOptions, patterns: str, duration: int = 255) -> BuildOptions:
    """Only matrices of such patterns on chips, with pulses of that length; all others are the host's."""
    matrices = {pattern: MatrixOptions() for pattern in patterns.split(",")}
    layout = LayoutOptions(matrices={**matrices, "*": MatrixOptions(host=True)}, duration=duration)
    return BuildOptions(layout, analog=options.analog, trials=options.trials)


def on_first_rows(options: BuildOptions, times: int, *, expansion: bool) -> BuildOptions:
    """Enc-LSTM0 alone on a chip, its input matrix with so many times its rows: expanded, or copies averaged."""
    alone = layers_alone(options, LAYERS_ON_CHIP["Enc-LSTM0"])
    matrices = {FIRST: MatrixOptions(copies=1 if expansion else times), **alone.layout.matrices}
    layout = LayoutOptions(matrices=matrices)
    return BuildOptions(
        layout, expansion={FIRST: times} if expansion else {}, analog=options.analog, trials=options.trials
    )


def expansion_in_float(model: RnntModel, bits: float, times: float, seed: int = 0) -> NodeProducts:
    """Enc-LSTM0 with weights of so many bits, its input matrix expanded before, in float: Fig. 5e.

    Parameters
    ----------
    model : RnntModel
        Whose first layer's input keeps its mean.
    bits : float
    times : float
        Rows over inputs; of 1 the weights are not expanded.
    seed : int
        Of the random matrix.
    """
    few = RnntModel(quantised(model.weights, {"enc-lstm0": bits}), centred=model.centred).network
    linear, made = model.network.linears[FIRST], {}
    rows = round(times * linear.inputs)
    if rows > linear.inputs:
        matrix = np.random.default_rng(seed).standard_normal((linear.inputs, rows), np.float32)
        weights = expanded(linear.weights, matrix)
        tall = with_levels(weights, levels(bits), float(np.abs(weights).max()))
        made[FIRST] = lambda x: x @ matrix @ tall

    def product(node: str, x: NDArray) -> NDArray:
        return made[node](x) if node in made else few.product(node, x)

    return NodeProducts(product, together=True)


@dataclass
class MacErrors:
    """Counts what chips multiply by what is right, layer by layer, for inputs as the chips got them.

    A layer's MAC is all that comes together before its activation, as in Extended Data Fig. 8.

    Parameters
    ----------
    model : RnntModel
    edges : (bins + 1,)
        Of the counts, both of what is right and of what came; what lies beyond is in the outermost bins.

    Members
    -------
    counts : mapping of str to (bins, bins) int
        By layer: right along the first axis.
    sums : mapping of str to (4,) float
        By layer, over its region of interest: number, sum of errors and of their squares; number outside.
    """

    model: RnntModel
    edges: NDArray[np.float64]
    counts: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def beside(self, walk: Walk, features: Floats) -> Walk:
        """The walk of a recording, watched."""
        network, tick = self.model.network, 0
        silence = np.zeros_like(features[0])

        def watched(request: Request) -> Walk[Sequence[NDArray]]:
            nonlocal tick
            answers = yield request
            got = dict(zip(request.nodes, answers, strict=True))
            exact = {node: network.product(node, x) for node, x in zip(request.nodes, request.inputs, strict=True)}
            if FIRST in got:
                frame = features[tick] if tick < len(features) else silence
                got, exact = self._restored(got, frame), self._restored(exact, frame)
                tick += 1
            self._count(got, exact)
            return answers

        return (yield from relay(walk, watched))

    def _restored(self, products: Mapping[str, NDArray], frame: Floats) -> dict[str, NDArray]:
        """What the first layer's product is worth, whose input is normalised."""
        _, mean, peak = PeakNorm(self.model.centred).run(frame)
        (restored,) = (node for node in self.model.network.graphs["pre"].nodes if node.name == "restored")
        (product,) = restored.operator.run(products[FIRST], mean, peak)
        return {**products, FIRST: product}

    def _count(self, got: Mapping[str, NDArray], exact: Mapping[str, NDArray]) -> None:
        low, high = self.edges[0], np.nextafter(self.edges[-1], -np.inf)
        for layer, nodes in _layers(got).items():
            right, came = (np.sum([products[node] for node in nodes], axis=0).ravel() for products in (exact, got))
            inside = right >= -_REGION if layer.endswith("/fc") else np.abs(right) <= _REGION
            error = (came - right)[inside].astype(np.float64)
            sums = np.array([error.size, error.sum(), np.square(error).sum(), right.size - error.size])
            self.sums[layer] = self.sums.get(layer, np.zeros(4)) + sums
            x, y = (np.clip(one, low, high) for one in (right, came))
            counted = np.histogram2d(x, y, [self.edges, self.edges])[0].astype(np.int64)
            self.counts[layer] = counted + self.counts.get(layer, np.zeros_like(counted))


def _layers(nodes: Iterable[str]) -> dict[str, list[str]]:
    """Nodes of a request by layer; the joint network's are the host's."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        layer, _, part = node.rpartition("/")
        name = layer if part in ("input", "recurrent") else node
        if not node.startswith("joint/"):
            found.setdefault(name, []).append(node)
    return found
