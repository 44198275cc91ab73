"""Layer-blocks, as the paper calls them, and the matrices that they are."""

from collections.abc import Mapping

__all__ = ["BLOCKS", "block_of", "pass_of"]

#: By layer-block, in the order in which they take turns: ends of the names of their matrices.
BLOCKS: Mapping[str, tuple[str, ...]] = {
    "inProj": ("attention.query", "attention.key", "attention.value"),
    "outProj": ("attention.dense",),
    "FC1": ("ffn",),
    "FC2": ("ffn_output",),
}


def block_of(node: str) -> str:
    """Layer-block of a node of an ALBERT or of its matrix, "" for those that are none.

    >>> block_of("encoder.albert_layer_groups.0.albert_layers.0.ffn_output/11"), pass_of("x.ffn_output/11")
    ('FC2', 11)
    """
    name = "." + node.partition("/")[0]
    return next((block for block, parts in BLOCKS.items() if any(name.endswith("." + part) for part in parts)), "")


def pass_of(node: str) -> int:
    """Which pass through the shared layer a node belongs to, counted from 0."""
    return int(node.partition("/")[2] or 0)
