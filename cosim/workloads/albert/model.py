"""A fine-tuned classifier of sentences, or of pairs of them: tokens, the transformer, what its head gives.

Source: Z. Lan et al., "ALBERT", arXiv:1909.11942; names and order of operations as in Hugging Face's transformers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.files.errors import UserError
from cosim.files.json_text import from_json
from cosim.files.wording import counted
from cosim.graph import Graph, Node
from cosim.graph.graph import Walk
from cosim.graph.hugging_face import read_text_model
from cosim.graph.operator import Values
from cosim.system.network import Network
from cosim.workloads.comparison import Result
from cosim.workloads.glue import Task
from cosim.workloads.tokenizer import load_tokenizer

__all__ = ["ClassifierError", "TextClassifier", "chances"]

#: Tokens of a text, as the paper's tasks have at most, where the network has no fewer positions.
LONGEST = 128


class ClassifierError(UserError, ValueError):
    """A folder has no classifier of a task; the message says what it has."""


@dataclass(frozen=True, eq=False)
class TextClassifier:
    """An ALBERT with a head.

    Parameters
    ----------
    graph : Graph
        Takes `input_ids` and `token_type_ids`, (T,), and gives `logits`, (outputs,).
    tokenizer
        Of the package tokenizers.
    name : str
    classes : tuple of int
        Label of the task that each output stands for; none of a task of values.
    """

    graph: Graph
    tokenizer: Any
    name: str
    classes: tuple[int, ...] = ()

    @classmethod
    def load(cls, folder: Path, task: Task, names: Sequence[str] = ()) -> "TextClassifier":
        """From a Hugging Face folder: `config.json`, `model.safetensors`, `tokenizer.json`.

        Parameters
        ----------
        folder : Path
        task : Task
            That the network was tuned on.
        names : sequence of str
            What its outputs stand for, in their order, where its configuration does not say.

        Raises
        ------
        ClassifierError
            If the network is no ALBERT, or its outputs cannot be told apart as the task's classes.
        NetworkError, TokenizerError, MissingPackage
        """
        graph = read_text_model(folder, "logits")
        config = from_json((folder / "config.json").read_bytes())
        if config["model_type"] != "albert":
            raise ClassifierError(f"{folder} holds a {config['model_type']}; expected an ALBERT tuned on {task.name}")
        tokenizer = load_tokenizer(folder)
        tokenizer.enable_truncation(min(LONGEST, int(config["max_position_embeddings"])))
        classes = _classes(folder, task, names or list(config.get("id2label", {}).values()))
        return cls(graph, tokenizer, folder.name, classes)

    @cached_property
    def network(self) -> Network:
        return Network.of(self.graph)

    @cached_property
    def _states(self) -> tuple[str, ...]:
        """Nodes whose outputs are the hidden states after every pass, in order."""
        return tuple(node.name for node in self.graph.nodes if ".full_layer_layer_norm/" in node.name)

    @property
    def passes(self) -> int:
        """Through the shared layer."""
        return len(self._states)

    def tokens(self, texts: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Inputs of the graph for one text, or a pair: never padded, cut where they are too long."""
        encoded = self.tokenizer.encode(*texts)
        return {
            "input_ids": np.array(encoded.ids, np.int64),
            "token_type_ids": np.array(encoded.type_ids, np.int64),
        }

    def judged(self, texts: Sequence[str]) -> Walk[Result]:
        """`logits` (outputs,), and `exits` (passes, outputs): what the head would have given after each pass."""
        first: dict[str, NDArray] = {}

        def observe(name: str, node: Node, given: Values, outputs: Values) -> None:
            if name in self._states and outputs[0] is not None:
                first[name] = outputs[0][0]

        step = yield from self.network.walk(self.tokens(texts), observe=observe)
        return {"logits": step.outputs["logits"], "exits": self._head(np.stack([first[name] for name in self._states]))}

    def _head(self, states: NDArray) -> NDArray:
        """Pooler and classifier, in float, of states of the first token."""
        pooler, classifier = (self.graph.linears[name] for name in ("pooler", "classifier"))
        pooled: NDArray = np.tanh(pooler.run(states)[0])
        return classifier.run(pooled)[0]

    def decisions(self, logits: NDArray) -> NDArray:
        """Labels of the task, or values: (..., outputs) -> (...)."""
        return np.array(self.classes)[logits.argmax(-1)] if self.classes else logits[..., 0]


def chances(logits: NDArray) -> NDArray:
    """Softmax along the last axis, in float64."""
    powers = np.exp(np.asarray(logits, np.float64) - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _classes(folder: Path, task: Task, names: Sequence[str]) -> tuple[int, ...]:
    """Labels by output: names say which is which, for networks have them in any order."""
    if not task.classes:
        if len(names) > 1:
            raise ClassifierError(
                f"{folder} has {counted(len(names), 'output')}; {task.name} has values, and expects one"
            )
        return ()
    plain = [str(name).lower().replace(" ", "_").replace("-", "_") for name in names]
    if sorted(plain) != sorted(task.classes):
        raise ClassifierError(
            f"{folder}: outputs are called {', '.join(map(str, names)) or 'nothing'}, the classes of {task.name} "
            f"{', '.join(task.classes)}; give the names in the network's order, e.g. --labels {','.join(task.classes)}"
        )
    return tuple(task.classes.index(name) for name in plain)
