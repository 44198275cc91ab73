"""What a chip shall compute: networks in numbers, before anything is mapped."""

from cosim.graph import operators
from cosim.graph.builder import Builder, chain
from cosim.graph.counting import OperationCount
from cosim.graph.errors import NetworkError
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.graph.graph import Graph, Scan
from cosim.graph.hoisting import hoisted
from cosim.graph.linear import Linear
from cosim.graph.node import Node, Request, State, Step
from cosim.graph.operator import Operator

__all__ = [
    "Activation",
    "Builder",
    "FeedForwardNetwork",
    "Graph",
    "Layer",
    "Linear",
    "NetworkError",
    "Node",
    "OperationCount",
    "Operator",
    "Request",
    "Scan",
    "State",
    "Step",
    "chain",
    "hoisted",
    "operators",
]
