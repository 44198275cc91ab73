"""How many operations the host does, node by node."""

from dataclasses import dataclass, field

from cosim.graph.graph import Scan
from cosim.graph.linear import Linear
from cosim.graph.node import Node
from cosim.graph.operator import Values

__all__ = ["OperationCount"]


@dataclass
class OperationCount:
    """An observer of walks that adds up operations.

    >>> import numpy as np
    >>> from cosim.graph import Linear, chain
    >>> from cosim.graph.operators.activations import Relu
    >>> count = OperationCount()
    >>> step = chain([Linear(np.ones((4, 3))), Relu()]).run({"x": np.ones((10, 4))}, observe=count)
    >>> count.host, count.products
    ({'relu0': 30}, {'linear0': 240})

    Members
    -------
    host : dict of str to int
        Of every node that is the host's in any case, those within loops included, by full name.
    products : dict of str to int
        Of every `Linear` node, were the host to do it.
    """

    host: dict[str, int] = field(default_factory=dict)
    products: dict[str, int] = field(default_factory=dict)

    def __call__(self, name: str, node: Node, inputs: Values, outputs: Values) -> None:
        if isinstance(node.operator, Scan):  # its nodes were told one by one
            return
        counts = self.products if isinstance(node.operator, Linear) else self.host
        counts[name] = counts.get(name, 0) + node.operator.operations(*inputs)
