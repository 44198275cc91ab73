"""Where a shared layer begins: an ALBERT whose parts are those of a pretrained DistilBERT, as far as there are any."""

from typing import Any

import torch
from torch import Tensor
from transformers import AlbertConfig, AlbertForSequenceClassification

__all__ = ["started"]

#: Random tokens that the mapping from the narrow table of tokens is fitted on, in places where most sentences are.
_FITTED, _PLACES = 4000, 64
#: DistilBERT's name of a part of a layer, by ALBERT's.
_PARTS = {
    "attention.query": "attention.q_lin",
    "attention.key": "attention.k_lin",
    "attention.value": "attention.v_lin",
    "attention.dense": "attention.out_lin",
    "attention.LayerNorm": "sa_layer_norm",
    "ffn": "ffn.lin1",
    "ffn_output": "ffn.lin2",
    "full_layer_layer_norm": "output_layer_norm",
}


def started(encoder: Any, embedding: int, passes: int, start: int | None, labels: dict[int, str], seed: int) -> Any:
    """An ALBERT that begins as a DistilBERT.

    Parameters
    ----------
    encoder : transformers.DistilBertModel
    embedding : int
        Width of the table of tokens.
    passes : int
        Through the shared layer.
    start : int, optional
        The layer that becomes the shared one; None: the mean of all.
    labels : dict of int to str
        Names of the classes.
    seed : int
        Of what nothing is known of: pooler, classifier; and of the texts that the embedding is fitted on.

    Returns
    -------
    transformers.AlbertForSequenceClassification
    """
    config = encoder.config
    torch.manual_seed(seed)
    made = AlbertForSequenceClassification(
        AlbertConfig(
            vocab_size=config.vocab_size,
            embedding_size=embedding,
            hidden_size=config.dim,
            num_hidden_layers=passes,
            num_attention_heads=config.n_heads,
            intermediate_size=config.hidden_dim,
            hidden_act="gelu_new",
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            classifier_dropout_prob=0.0,
            max_position_embeddings=config.max_position_embeddings,
            id2label=labels,
        )
    )
    layers = list(encoder.transformer.layer)
    if start is not None:
        layers = [layers[start]]
    shared = made.albert.encoder.albert_layer_groups[0].albert_layers[0]
    with torch.no_grad():
        for own, theirs in _PARTS.items():
            for kind in ("weight", "bias"):
                parts = [getattr(layer.get_submodule(theirs), kind) for layer in layers]
                getattr(shared.get_submodule(own), kind).copy_(torch.stack(parts).mean(0))
        _embed(made.albert, encoder.embeddings, seed)
    return made


def _embed(albert: Any, theirs: Any, seed: int) -> None:
    """Tables by their largest singular values; the mapping behind them so that it gives what theirs gives."""
    own, mapping = albert.embeddings, albert.encoder.embedding_hidden_mapping_in
    words, positions = theirs.word_embeddings.weight, theirs.position_embeddings.weight
    mean = words.mean(0)
    _, directions = torch.linalg.eigh((words - mean).T @ (words - mean))
    narrow = directions[:, -own.word_embeddings.weight.shape[1] :]
    own.word_embeddings.weight.copy_((words - mean) @ narrow)
    own.position_embeddings.weight.copy_(positions @ narrow)
    own.token_type_embeddings.weight.zero_()
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(len(words), (_FITTED, 1), generator=generator)
    place = torch.randint(min(_PLACES, len(positions)), (_FITTED, 1), generator=generator)
    x = own.LayerNorm(own.word_embeddings(tokens) + own.position_embeddings(place))[:, 0]
    y = theirs.LayerNorm(theirs.word_embeddings(tokens) + theirs.position_embeddings(place))[:, 0]
    # Normalised states add up to nothing, so that many mappings are as good: of these the least.
    given = torch.cat([x, torch.ones(len(x), 1)], 1)
    found: Tensor = torch.linalg.lstsq(given, y, driver="gelsd").solution
    mapping.weight.copy_(found[:-1].T)
    mapping.bias.copy_(found[-1])
