"""Whisper as three graphs: what is heard, what every layer of the decoder looks up in it, and one step of the decoder.

Source: A. Radford et al., arXiv:2212.04356; names and order of operations as in Hugging Face's transformers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cosim.graph.builder import Builder
from cosim.graph.graph import Graph
from cosim.graph.hugging_face.folder import ModelFolder
from cosim.graph.linear import Linear
from cosim.graph.operator import Operator
from cosim.graph.operators.arithmetic import Sum
from cosim.graph.operators.attention import Append, Attention
from cosim.graph.operators.convolution import Patches
from cosim.graph.operators.embedding import Embedding, Positions

__all__ = ["whisper_graphs"]

_EPS = 1e-5


@dataclass(frozen=True)
class _Stack:
    """Encoder or decoder: its sizes, and the nodes that both have."""

    b: Builder
    folder: ModelFolder
    side: str
    width: int
    inner: int
    heads: int
    activation: Operator

    @classmethod
    def of(cls, folder: ModelFolder, side: str, name: str) -> "_Stack":
        return cls(
            Builder(name),
            folder,
            side,
            folder.number("d_model"),
            folder.number(f"{side}_ffn_dim"),
            folder.number(f"{side}_attention_heads"),
            folder.activation("activation_function"),
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """What the names of each layer's tensors begin with."""
        return tuple(f"{self.side}.layers.{at}" for at in range(self.folder.number(f"{self.side}_layers")))

    def linear(self, x: str, name: str, *, bias: bool = True) -> str:
        return self.b.linear(x, self.folder.linear(name, self.width, self.width, bias=bias), name=name)

    def keys_and_values(self, x: str, at: str) -> tuple[str, str]:
        """A product with keys has no bias: softmax would not see it."""
        return self.linear(x, f"{at}.k_proj", bias=False), self.linear(x, f"{at}.v_proj")

    def cached(self, name: str, new: str) -> str:
        """What all steps so far gave, this one's behind."""
        state = self.b.state(name, np.zeros((0, self.width), np.float32))
        grown = self.b.add(Append(), state, new, name=f"{name}.append")
        self.b.follow(state, grown)
        return grown

    def norm(self, x: str, name: str) -> str:
        return self.b.add(self.folder.layer_norm(name, self.width, _EPS), x, name=name)

    def attended(self, x: str, q: str, k: str, v: str, at: str, *, causal: bool = False) -> str:
        y = self.b.add(Attention(self.heads, causal), q, k, v, name=f"{at}.attention")
        return self.b.add(Sum(), x, self.linear(y, f"{at}.out_proj"), name=f"{at}.sum")

    def fed_forward(self, x: str, at: str) -> str:
        b, folder = self.b, self.folder
        y = self.norm(x, f"{at}.final_layer_norm")
        y = b.linear(y, folder.linear(f"{at}.fc1", self.width, self.inner), name=f"{at}.fc1")
        y = b.add(self.activation, y, name=f"{at}.activation")
        y = b.linear(y, folder.linear(f"{at}.fc2", self.inner, self.width), name=f"{at}.fc2")
        return b.add(Sum(), x, y, name=f"{at}.sum")


def whisper_graphs(folder: ModelFolder) -> Mapping[str, Graph]:
    """The graphs "encoder", "cross" and "decoder".

    - encoder: ``input_features`` (mel bands, frames), as the front end gives them; ``last_hidden_state`` (positions,
      width), one position for two frames.
    - cross: ``encoder_hidden_states``, which is that; for each layer of the decoder keys and values, called as the
      decoder takes them. Once a recording.
    - decoder: ``input_ids`` and ``position_ids`` (T,), whole numbers, one token or several, and what cross gave;
      ``logits`` (T, vocabulary). Its states are keys and values of all tokens so far: give each step what the one
      before left.

    Nodes are called as in the state dict of the bare model; the matrix of the vocabulary is "proj_out".

    Parameters
    ----------
    folder : ModelFolder
        Open.

    Raises
    ------
    NetworkError
        If a tensor is missing or of another shape, or the configuration asks for what is not supported.
    """
    return {"encoder": _encoder(folder), "cross": _cross(folder), "decoder": _decoder(folder)}


def _encoder(folder: ModelFolder) -> Graph:
    stack = _Stack.of(folder, "encoder", "whisper encoder")
    b, width = stack.b, stack.width
    x = b.input("input_features")
    for number, inputs in ((1, folder.number("num_mel_bins")), (2, width)):
        name = f"encoder.conv{number}"
        x = b.convolution(
            x,
            folder.tensor(f"{name}.weight", width, inputs, 3),
            folder.tensor(f"{name}.bias", width),
            name,
            patches=Patches((3,), stride=(number,), padding=((1, 1),)),
            channels_last=number == 2,  # each position a row, from here on
        )
        x = b.add(stack.activation, x, name=f"{name}.activation")
    table = folder.tensor("encoder.embed_positions.weight", folder.number("max_source_positions"), width)
    x = b.add(Sum(), x, b.add(Positions(table), x, name="encoder.embed_positions"), name="encoder.sum")
    for layer in stack.layers:
        at = f"{layer}.self_attn"
        y = stack.norm(x, f"{at}_layer_norm")
        q = stack.linear(y, f"{at}.q_proj")
        keys, values = stack.keys_and_values(y, at)
        x = stack.attended(x, q, keys, values, at)
        x = stack.fed_forward(x, layer)
    b.output(stack.norm(x, "encoder.layer_norm"), "last_hidden_state")
    return b.graph()


def _cross(folder: ModelFolder) -> Graph:
    stack = _Stack.of(folder, "decoder", "whisper cross")
    heard = stack.b.input("encoder_hidden_states")
    for layer in stack.layers:
        at = f"{layer}.encoder_attn"
        for value, name in zip(stack.keys_and_values(heard, at), _looked_up(at), strict=True):
            stack.b.output(value, name)
    return stack.b.graph()


def _looked_up(at: str) -> tuple[str, str]:
    """Names of keys and values that go from one graph to the next, or from one step to the next."""
    return f"{at}.keys", f"{at}.values"


def _decoder(folder: ModelFolder) -> Graph:
    stack = _Stack.of(folder, "decoder", "whisper decoder")
    b, width, vocabulary = stack.b, stack.width, folder.number("vocab_size")
    tokens = folder.tensor("decoder.embed_tokens.weight", vocabulary, width)
    positions = folder.tensor("decoder.embed_positions.weight", folder.number("max_target_positions"), width)
    x = b.add(
        Sum(),
        b.add(Embedding(tokens), b.input("input_ids"), name="decoder.embed_tokens"),
        b.add(Embedding(positions), b.input("position_ids"), name="decoder.embed_positions"),
        name="decoder.sum",
    )
    for layer in stack.layers:
        at = f"{layer}.self_attn"
        y = stack.norm(x, f"{at}_layer_norm")
        q = stack.linear(y, f"{at}.q_proj")
        new = stack.keys_and_values(y, at)
        keys, values = (stack.cached(*pair) for pair in zip(_looked_up(at), new, strict=True))
        x = stack.attended(x, q, keys, values, at, causal=True)
        at = f"{layer}.encoder_attn"
        q = stack.linear(stack.norm(x, f"{at}_layer_norm"), f"{at}.q_proj")
        keys, values = map(b.input, _looked_up(at))
        x = stack.attended(x, q, keys, values, at)
        x = stack.fed_forward(x, layer)
    x = stack.norm(x, "decoder.layer_norm")
    own = "proj_out.weight" in folder  # else the table of tokens serves here too
    words = folder.linear("proj_out", width, vocabulary, bias=False) if own else Linear(tokens.T)
    b.output(b.linear(x, words, name="proj_out"), "logits")
    return b.graph()
