"""What a chip shall compute: networks in numbers, before anything is mapped."""

from cosim.graph.errors import NetworkError
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.graph.graph import Graph, Node, Request, Scan, State, Step
from cosim.graph.linear import Linear
from cosim.graph.operator import Operator

__all__ = [
    "Activation",
    "FeedForwardNetwork",
    "Graph",
    "Layer",
    "Linear",
    "NetworkError",
    "Node",
    "Operator",
    "Request",
    "Scan",
    "State",
    "Step",
]
