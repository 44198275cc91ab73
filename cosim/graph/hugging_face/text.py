"""BERT, MiniLM, DistilBERT and ALBERT as graphs: a text's tokens in, a vector for each out.

One text is one sample, so that nothing is padded and no mask is needed.

Source: J. Devlin et al., arXiv:1810.04805; V. Sanh et al., arXiv:1910.01108; Z. Lan et al., arXiv:1909.11942; names and
order of operations as in Hugging Face's transformers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cosim.graph.builder import Builder
from cosim.graph.errors import NetworkError
from cosim.graph.graph import Graph
from cosim.graph.hugging_face.folder import ModelFolder
from cosim.graph.operator import Operator
from cosim.graph.operators.activations import Relu, Tanh
from cosim.graph.operators.arithmetic import Sum
from cosim.graph.operators.attention import Attention
from cosim.graph.operators.embedding import Embedding, Positions, Row

__all__ = ["TEXT_KINDS", "text_graph"]

HIDDEN, POOLED, LOGITS = "last_hidden_state", "pooler_output", "logits"


@dataclass(frozen=True)
class _Names:
    """What a layer's parts are called in the state dict."""

    query: str
    key: str
    value: str
    out: str
    attention_norm: str
    first: str
    second: str
    norm: str


_BERT = _Names(
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
_DISTILBERT = _Names(
    "attention.q_lin",
    "attention.k_lin",
    "attention.v_lin",
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
)
_ALBERT = _Names(
    "attention.query",
    "attention.key",
    "attention.value",
    "attention.dense",
    "attention.LayerNorm",
    "ffn",
    "ffn_output",
    "full_layer_layer_norm",
)


@dataclass(frozen=True)
class _Layer:
    """Sizes of a layer, and its names."""

    names: _Names
    width: int
    inner: int
    heads: int
    activation: Operator
    eps: float

    def build(self, b: Builder, folder: ModelFolder, x: str, at: str, use: str = "") -> str:
        """Add the layer whose tensors begin with `at`; `use` tells its nodes from those of the same layer elsewhere."""

        def node(name: str) -> str:
            return f"{at}.{name}{use}"

        def linear(x: str, name: str, inputs: int, outputs: int) -> str:
            return b.linear(x, folder.linear(f"{at}.{name}", inputs, outputs), name=node(name))

        def added(x: str, y: str, norm: str) -> str:
            total = b.add(Sum(), x, y, name=node(f"{norm}.sum"))
            return b.add(folder.layer_norm(f"{at}.{norm}", self.width, self.eps), total, name=node(norm))

        names, width = self.names, self.width
        q, k, v = (linear(x, name, width, width) for name in (names.query, names.key, names.value))
        attended = b.add(Attention(self.heads), q, k, v, name=node("attention"))
        x = added(x, linear(attended, names.out, width, width), names.attention_norm)
        inner = b.add(self.activation, linear(x, names.first, width, self.inner), name=node("activation"))
        return added(x, linear(inner, names.second, self.inner, width), names.norm)


def _embedded(b: Builder, folder: ModelFolder, width: int, eps: float, kinds: int) -> str:
    """Sum of the embeddings of tokens, kinds of tokens (if there are any) and positions, normalised."""
    positions = folder.number("max_position_embeddings")

    def table(name: str, entries: int, operator: type[Embedding] | type[Positions], x: str) -> str:
        name = f"embeddings.{name}_embeddings"
        return b.add(operator(folder.tensor(f"{name}.weight", entries, width)), x, name=name)

    parts = [table("word", folder.number("vocab_size"), Embedding, b.input("input_ids"))]
    if kinds:
        parts.append(table("token_type", kinds, Embedding, b.input("token_type_ids")))
    parts.append(table("position", positions, Positions, parts[0]))
    total = b.add(Sum(), *parts, name="embeddings.sum")
    return b.add(folder.layer_norm("embeddings.LayerNorm", width, eps), total, name="embeddings.LayerNorm")


def _bert(b: Builder, folder: ModelFolder) -> tuple[str, str]:
    layer = _layer_of_bert(folder, _BERT)
    x = _embedded(b, folder, layer.width, layer.eps, folder.number("type_vocab_size"))
    for at in range(folder.number("num_hidden_layers")):
        x = layer.build(b, folder, x, f"encoder.layer.{at}")
    return x, "pooler.dense"


def _distilbert(b: Builder, folder: ModelFolder) -> tuple[str, str]:
    width = folder.number("dim")
    activation = folder.activation("activation")
    layer = _Layer(_DISTILBERT, width, folder.number("hidden_dim"), folder.number("n_heads"), activation, 1e-12)
    x = _embedded(b, folder, width, layer.eps, 0)
    for at in range(folder.number("n_layers")):
        x = layer.build(b, folder, x, f"transformer.layer.{at}")
    return x, ""


def _albert(b: Builder, folder: ModelFolder) -> tuple[str, str]:
    layer = _layer_of_bert(folder, _ALBERT)
    narrow, layers = folder.number("embedding_size"), folder.number("num_hidden_layers")
    groups, inner = folder.number("num_hidden_groups", 1), folder.number("inner_group_num", 1)
    if layers % groups:
        raise NetworkError(f"{folder.path / 'config.json'}: {layers} layers cannot be shared out among {groups} groups")
    x = _embedded(b, folder, narrow, layer.eps, folder.number("type_vocab_size"))
    name = "encoder.embedding_hidden_mapping_in"
    x = b.linear(x, folder.linear(name, narrow, layer.width), name=name)
    for at in range(layers):
        group = f"encoder.albert_layer_groups.{at * groups // layers}"
        for part in range(inner):
            x = layer.build(b, folder, x, f"{group}.albert_layers.{part}", f"/{at}")
    return x, "pooler"


def _layer_of_bert(folder: ModelFolder, names: _Names) -> _Layer:
    folder.expect("position_embedding_type", "absolute")
    folder.expect("is_decoder", False)
    return _Layer(
        names,
        folder.number("hidden_size"),
        folder.number("intermediate_size"),
        folder.number("num_attention_heads"),
        folder.activation("hidden_act"),
        folder.epsilon(),
    )


#: By `model_type`: what adds the encoder's nodes, and gives its output and the name of its pooler.
TEXT_KINDS: Mapping[str, Callable[[Builder, ModelFolder], tuple[str, str]]] = {
    "albert": _albert,
    "bert": _bert,
    "distilbert": _distilbert,
}


def text_graph(folder: ModelFolder, output: str | None = None) -> Graph:
    """A text encoder as a graph, with a classifier where the folder has one.

    Takes ``input_ids`` (T,), for BERT and ALBERT also ``token_type_ids`` (T,), whole numbers. Nodes are called as in
    the state dict of the bare model; nodes of a layer that is used again and again end with "/" and a number.

    Parameters
    ----------
    folder : ModelFolder
        Open.
    output : str, optional
        "last_hidden_state", (T, width); "pooler_output", (width,), of BERT and ALBERT; "logits", (labels,). By default
        the last of them for which there are weights in the folder, pooler_output left out.

    Raises
    ------
    NetworkError
        If a tensor is missing or of another shape, or the configuration asks for what is not supported.
    """
    kind = folder.kind
    b = Builder(kind)
    x, pooler = TEXT_KINDS[kind](b, folder)
    known = (HIDDEN, LOGITS) if kind == "distilbert" else (HIDDEN, POOLED, LOGITS)
    if output is None:
        output = LOGITS if _has_classifier(folder) else HIDDEN
    if output not in known:
        raise NetworkError(f"{folder.path}: a {kind} has no output {output!r}; it has {', '.join(known)}")
    width = folder.number("dim" if kind == "distilbert" else "hidden_size")
    if output != HIDDEN:
        first = b.add(Row(0), x, name="first_token")
        if pooler:
            x = b.add(
                Tanh(), b.linear(first, folder.linear(pooler, width, width), name=pooler), name="pooler.activation"
            )
        else:
            x = b.linear(first, folder.linear("pre_classifier", width, width), name="pre_classifier")
            x = b.add(Relu(), x, name="pre_classifier.activation")
        if output == LOGITS:
            x = b.linear(x, folder.linear("classifier", width, _labels(folder)), name="classifier")
    b.output(x, output)
    return b.graph()


def _has_classifier(folder: ModelFolder) -> bool:
    return "SequenceClassification" in str(folder.config.get("architectures"))


def _labels(folder: ModelFolder) -> int:
    """Two where nothing else is said: `transformers` leaves the default out."""
    names = folder.config.get("id2label")
    return len(names) if isinstance(names, dict) else folder.number("num_labels", 2)
