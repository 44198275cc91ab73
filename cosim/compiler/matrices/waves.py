"""Which matrices of a graph are due at once."""

from cosim.graph import Graph, Scan

__all__ = ["alike_inputs", "matrix_waves"]


def matrix_waves(graph: Graph, path: str = "") -> list[tuple[str, ...]]:
    """Matrices of every wave, those within loops included; a wave that several nodes give is there once.

    Parameters
    ----------
    graph : Graph
    """
    names = graph.matrix_of
    return list(dict.fromkeys(tuple(dict.fromkeys(names[node] for node in wave)) for wave, _ in _waves(graph)))


def alike_inputs(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Matrices that always get the same input: those that wherever one of them is used, stand beside the others on
    one value.
    """
    names = graph.matrix_of
    uses: dict[str, set[tuple[str, ...]]] = {}
    for wave, inputs in _waves(graph):
        for node, value in zip(wave, inputs, strict=True):
            group = tuple(dict.fromkeys(names[n] for n, v in zip(wave, inputs, strict=True) if v == value))
            uses.setdefault(names[node], set()).add(group)
    groups = [next(iter(found)) for found in uses.values() if len(found) == 1]
    return tuple(dict.fromkeys(group for group in groups if len(group) > 1 and all(uses[n] == {group} for n in group)))


def _waves(graph: Graph, path: str = "") -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """`Linear` nodes of every wave by full name, and the values they take."""
    found: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    for host, linear in graph.waves:
        for node in host:
            if isinstance(node.operator, Scan):
                found += _waves(node.operator.body, f"{path}{node.name}/")
        if linear:
            found.append((tuple(path + node.name for node in linear), tuple(node.inputs[0] for node in linear)))
    return found
