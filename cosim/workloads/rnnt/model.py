"""An RNN-T as graphs, one for all chips that work at once, and the walks that transcribe with them.

A graph is one tick of a pipeline: every layer in it takes what the one before it left in the tick before, which is that
layer's own state. So all matrices of a graph are due at once, as on the paper's chips (Nature 620, 768, 2023, Fig. 4):

===========  =======================  ==========================================================================
graph        chips                    matrices
===========  =======================  ==========================================================================
pre          1, 2                     lstm0/input, lstm0/recurrent, lstm1/input, lstm1/recurrent
post         3, 4                     lstm2/input, lstm2/recurrent, lstm3, lstm4, fc: of the last two the input's
                                      rows, then the state's, summed on the chip
prediction   5                        lstm0: nine copies of embedding and input matrix in one, then the state's
                                      rows; lstm1; fc
joint        the host                 fc
===========  =======================  ==========================================================================

A recording goes through a pipeline of n stages in n - 1 ticks more than it has steps. A symbol takes the prediction
network three ticks, for there is none behind it until it is decoded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cosim.graph import Builder, Graph
from cosim.graph.graph import Walk
from cosim.graph.operators.activations import Relu
from cosim.graph.operators.arithmetic import Sum
from cosim.graph.operators.cells import LstmCell
from cosim.graph.operators.normalisation import PeakNorm, PeakRestored
from cosim.graph.operators.recurrent import gate_columns
from cosim.graph.operators.stacking import StackFrames
from cosim.graph.operators.tensor import Concatenate
from cosim.system.network import Network
from cosim.workloads.rnnt.network import POST, PRE, PREDICTION, RnntNetwork

__all__ = ["EMBEDDINGS", "SYMBOLS", "RnntModel"]

#: Copies of the product of embedding and input matrix, whose weights are large beside the state's (Methods).
EMBEDDINGS = 9
#: Most symbols of a step: the reference's greedy decoder.
SYMBOLS = 30

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RnntModel:
    """Graphs of a network, and its decoder.

    Parameters
    ----------
    weights : RnntNetwork
    centred : bool
        Take the mean off the input of the first layer before it is divided by its largest amplitude; both are taken
        back behind the product. Not with expanded weights: the paper's.
    """

    weights: RnntNetwork
    centred: bool = True
    blank: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blank", len(self.weights.labels))

    @cached_property
    def network(self) -> Network:
        """Graphs "pre", "post", "prediction" and "joint"."""
        return Network(
            {"pre": self._pre(), "post": self._post(), "prediction": self._prediction(), "joint": self._joint()}
        )

    # Graphs.

    def _pre(self) -> Graph:
        b = Builder("pre")
        below = b.input("x")
        for layer in range(PRE):
            inputs, recurrent, bias = self._lstm("encoder.pre_rnn", layer)
            state = _states(b, layer, recurrent.shape[0])
            if layer == 0:
                normal, mean, peak = b.add_several(PeakNorm(self.centred), below, name="peak norm")
                product = b.linear(normal, inputs, name="lstm0/input")
                restored = PeakRestored(inputs.sum(axis=0, dtype=np.float64).astype(np.float32), bias)
                x = b.add(restored, product, mean, peak, name="restored")
            else:
                x = b.linear(below, inputs, bias, name=f"lstm{layer}/input")
            following = _cell(b, layer, x, b.linear(state, recurrent, name=f"lstm{layer}/recurrent"))
            below = state
        b.output(following, "y")
        return b.graph()

    def _post(self) -> Graph:
        b = Builder("post")
        below = b.input("x")
        for layer in range(PRE, PRE + POST):
            inputs, recurrent, bias = self._lstm("encoder.post_rnn", layer - PRE)
            state = _states(b, layer, recurrent.shape[0])
            if layer == PRE:
                x = b.linear(below, inputs, bias, name=f"lstm{layer}/input")
                _cell(b, layer, x, b.linear(state, recurrent, name=f"lstm{layer}/recurrent"))
            else:
                self._summed(b, layer, below, state, np.concatenate([inputs, recurrent]), bias)
            below = state
        width = self.weights.shape.encoder
        joint = self.weights.tensors["joint_net.0.weight"].T
        b.output(b.linear(below, joint[:width], self.weights.tensors["joint_net.0.bias"], name="fc"), "y")
        return b.graph()

    def _prediction(self) -> Graph:
        b = Builder("prediction")
        below = b.input("symbol")
        embedding = self.weights.tensors["prediction.embed.weight"]
        for layer in range(PREDICTION):
            inputs, recurrent, bias = self._lstm("prediction.dec_rnn", layer)
            state = _states(b, layer, recurrent.shape[0])
            if layer == 0:
                below = b.add(Concatenate(axis=-1), *[below] * EMBEDDINGS, name="copies")
                inputs = np.concatenate([embedding @ inputs / np.float32(EMBEDDINGS)] * EMBEDDINGS)
            self._summed(b, layer, below, state, np.concatenate([inputs, recurrent]), bias)
            below = state
        joint = self.weights.tensors["joint_net.0.weight"].T
        b.output(b.linear(below, joint[self.weights.shape.encoder :], name="fc"), "y")
        return b.graph()

    def _joint(self) -> Graph:
        b = Builder("joint")
        hidden = b.add(Relu(), b.add(Sum(), b.input("encoded"), b.input("predicted")))
        last = self.weights.tensors["joint_net.3.weight"].T
        b.output(b.linear(hidden, last, self.weights.tensors["joint_net.3.bias"], name="fc"), "logits")
        return b.graph()

    def _lstm(self, name: str, layer: int) -> tuple[Floats, Floats, Floats]:
        """Input and recurrent matrix, (inputs, 4 width), and the bias, gates in the order of `LstmCell`."""
        tensors = self.weights.tensors
        inputs, recurrent = (tensors[f"{name}.lstm.weight_{kind}_l{layer}"].T for kind in ("ih", "hh"))
        bias = tensors[f"{name}.lstm.bias_ih_l{layer}"] + tensors[f"{name}.lstm.bias_hh_l{layer}"]
        in_order = [gate_columns(array, "ifgo", "iofg") for array in (inputs, recurrent, bias)]
        return in_order[0], in_order[1], in_order[2]

    @staticmethod
    def _summed(b: Builder, layer: int, below: str, state: str, matrix: Floats, bias: Floats) -> None:
        """A layer whose input's and state's products are one."""
        together = b.add(Concatenate(axis=-1), below, state, name=f"lstm{layer}/rows")
        _cell(b, layer, b.linear(together, matrix, bias, name=f"lstm{layer}"), "")

    # Walks.

    def encoded(self, features: Floats) -> Walk[list[Floats]]:
        """What the joint network gets of a recording: (steps, features) to one vector (joint,) for every two steps."""
        before = yield from self._piped("pre", PRE, features)
        (stacked,) = StackFrames(self.weights.shape.stack).run(np.stack(before))
        return (yield from self._piped("post", POST + 1, stacked))

    def _piped(self, graph: str, stages: int, frames: Floats) -> Walk[list[Floats]]:
        """What the last stage gives for each frame. States of a stage that no frame has reached begin anew."""
        first = {state.name: int(_STAGE[state.name.partition("/")[0]]) for state in self.network.graphs[graph].states}
        silence = np.zeros_like(frames[0])
        states: Mapping[str, NDArray] = {}
        found = []
        for tick, frame in enumerate([*frames, *[silence] * (stages - 1)]):
            step = yield from self.network.walk({"x": frame}, states, graph=graph)
            states = {name: array for name, array in step.states.items() if first[name] <= tick}
            if tick >= stages - 1:
                found.append(step.outputs["y"])
        return found

    def predicted(
        self, symbol: int | None, states: Mapping[str, NDArray]
    ) -> Walk[tuple[Floats, Mapping[str, NDArray]]]:
        """What the joint network gets of a symbol, None before the first one, and the states behind it.

        Layer by layer: what the others do in a tick is not used.
        """
        given = np.zeros(self.blank, np.float32)
        if symbol is not None:
            given[symbol] = 1
        states = dict(states)
        for layer in range(PREDICTION):
            step = yield from self.network.walk({"symbol": given}, states, graph="prediction")
            states |= {name: array for name, array in step.states.items() if name.startswith(f"lstm{layer}/")}
            given = np.zeros_like(given)
        step = yield from self.network.walk({"symbol": given}, states, graph="prediction")
        return step.outputs["y"], states

    def decoded(self, encoded: Sequence[Floats], choose: Callable[[Floats], int]) -> Walk[list[int]]:
        """Symbols of a recording.

        Parameters
        ----------
        encoded : sequence of (joint,)
            What `encoded` gave.
        choose : callable (logits) -> int
            The next label, or blank, which goes on to the next step.
        """
        symbols: list[int] = []
        predicted, states = yield from self.predicted(None, {})
        for heard in encoded:
            for _ in range(SYMBOLS):
                step = yield from self.network.walk({"encoded": heard, "predicted": predicted}, graph="joint")
                chosen = choose(step.outputs["logits"])
                if chosen == self.blank:
                    break
                symbols.append(chosen)
                predicted, states = yield from self.predicted(chosen, states)
        return symbols

    def transcribed(self, features: Floats) -> Walk[list[int]]:
        """Greedily: the likeliest label at every step, of equal ones the lowest."""
        encoded = yield from self.encoded(features)
        return (yield from self.decoded(encoded, _likeliest))

    def choices(self, features: Floats) -> Walk[list[int]]:
        """All choices of greedy decoding, blanks included."""
        made: list[int] = []

        def choose(logits: Floats) -> int:
            made.append(_likeliest(logits))
            return made[-1]

        encoded = yield from self.encoded(features)
        yield from self.decoded(encoded, choose)
        return made

    def surprise(self, features: Floats, choices: Sequence[int]) -> Walk[float]:
        """At such choices: minus the logarithm of their probabilities, in the mean."""
        encoded = yield from self.encoded(features)
        return (yield from self._surprise(encoded, choices))

    def transcribed_and_surprise(self, features: Floats, choices: Sequence[int]) -> Walk[tuple[list[int], float]]:
        """Both of a recording that is encoded once."""
        encoded = yield from self.encoded(features)
        symbols = yield from self.decoded(encoded, _likeliest)
        return symbols, (yield from self._surprise(encoded, choices))

    def _surprise(self, encoded: Sequence[Floats], choices: Sequence[int]) -> Walk[float]:
        to_come: Iterator[int] = iter(choices)
        total = 0.0

        def choose(logits: Floats) -> int:
            nonlocal total
            chosen = next(to_come)
            shifted = logits.astype(np.float64) - logits.max()
            total += float(np.log(np.exp(shifted).sum()) - shifted[chosen])
            return chosen

        yield from self.decoded(encoded, choose)
        return total / max(len(choices), 1)

    def text(self, symbols: Sequence[int]) -> str:
        """What was said."""
        return "".join(self.weights.labels[symbol] for symbol in symbols)


def _likeliest(logits: Floats) -> int:
    return int(logits.argmax())


#: Stage of a pipeline in which each layer of the encoder stands.
_STAGE = {f"lstm{layer}": layer if layer < PRE else layer - PRE for layer in range(PRE + POST)}


def _states(b: Builder, layer: int, width: int) -> str:
    """State and memory of a layer; the state's name."""
    for name in ("state", "memory"):
        b.state(f"lstm{layer}/{name}", np.zeros(width, np.float32))
    return f"lstm{layer}/state"


def _cell(b: Builder, layer: int, x: str, h: str) -> str:
    """What comes after a layer's products; the next state."""
    state, memory = b.add_several(LstmCell(), x, h, f"lstm{layer}/memory", name=f"lstm{layer}/cell")
    b.follow(f"lstm{layer}/state", state)
    b.follow(f"lstm{layer}/memory", memory)
    return state
