"""Whisper as a network of three graphs, and the walk that transcribes a recording with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.graph import Graph
from cosim.graph.graph import Walk
from cosim.graph.hugging_face import read_whisper
from cosim.system.network import Network
from cosim.workloads.whisper.decoding import Decoded, DecodingRules, decode_greedily
from cosim.workloads.whisper.features import log_mel
from cosim.workloads.whisper.tokens import Vocabulary

__all__ = ["WhisperModel"]


@dataclass(frozen=True, eq=False)
class WhisperModel:
    """Encoder, cross attention's keys and values, decoder; and the vocabulary.

    Parameters
    ----------
    graphs : mapping of str to Graph
        "encoder", "cross" and "decoder", as `read_whisper` gives them.
    rules : DecodingRules
    vocabulary : Vocabulary
    bands : int
        Mel bands of the front end.
    name : str
    """

    graphs: Mapping[str, Graph]
    rules: DecodingRules
    vocabulary: Vocabulary
    bands: int
    name: str

    @classmethod
    def load(cls, folder: Path) -> "WhisperModel":
        """From a Hugging Face folder: `config.json`, `model.safetensors`, `tokenizer.json`.

        Raises
        ------
        NetworkError, VocabularyError, MissingPackage
        """
        vocabulary = Vocabulary(folder)
        return cls(read_whisper(folder), vocabulary.rules, vocabulary, vocabulary.bands, folder.name)

    @cached_property
    def network(self) -> Network:
        return Network(self.graphs)

    def features(self, samples: NDArray) -> NDArray[np.float32]:
        """Of a recording, (n,) samples -> (bands, 3000)."""
        return log_mel(samples, self.bands)

    def heard(self, features: NDArray[np.float32]) -> Walk[Mapping[str, NDArray]]:
        """What the decoder looks up of a recording: keys and values of every layer."""
        encoder, cross = self.graphs["encoder"], self.graphs["cross"]
        encoded = yield from self.network.walk({encoder.inputs[0]: features}, graph="encoder")
        (hidden,) = encoded.outputs.values()
        step = yield from self.network.walk({cross.inputs[0]: hidden}, graph="cross")
        return step.outputs

    def transcribed(self, features: NDArray[np.float32]) -> Walk[Decoded]:
        """Tokens of a recording, from its features."""
        heard = yield from self.heard(features)
        states: Mapping[str, NDArray] = {}
        position = 0

        def step(tokens: Sequence[int]) -> Walk[NDArray]:
            nonlocal states, position
            given = {
                "input_ids": np.array(tokens, np.int64),
                "position_ids": np.arange(position, position + len(tokens)),
                **heard,
            }
            done = yield from self.network.walk(given, states, graph="decoder")
            states, position = done.states, position + len(tokens)
            return done.outputs["logits"][-1]

        return (yield from decode_greedily(self.rules, step))

    def forced(self, features: NDArray[np.float32], tokens: Sequence[int]) -> Walk[float]:
        """Surprise at a transcript: minus the logarithm of its tokens' probabilities, the end's included, in the mean.

        All tokens go through the decoder at once, each seeing those before it.
        """
        heard = yield from self.heard(features)
        given = np.array([*self.rules.start, *tokens], np.int64)
        inputs = {"input_ids": given, "position_ids": np.arange(len(given)), **heard}
        step = yield from self.network.walk(inputs, graph="decoder")
        logits = step.outputs["logits"][len(self.rules.start) - 1 :].astype(np.float64)
        expected = np.array([*tokens, self.rules.end])
        highest = logits.max(axis=1, keepdims=True)
        total = highest[:, 0] + np.log(np.exp(logits - highest).sum(axis=1))
        return float(np.mean(total - logits[np.arange(len(expected)), expected]))
