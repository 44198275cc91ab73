"""What graphs are made of, and what a walk through one hands out and takes in."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from analog_models.values import kept
from cosim.graph.operator import Operator, Values

__all__ = ["Node", "Observer", "Request", "State", "Step", "Walk"]


@dataclass(frozen=True)
class Node:
    """One operator at work.

    Parameters
    ----------
    name : str
        Its own within the graph; a slash parts levels, "encoder/0/fc1".
    operator : Operator
        `Linear` may go on a chip, everything else is the host's.
    inputs, outputs : tuple of str
        Values. An input that is absent, for an operator with optional ones, is "".
    """

    name: str
    operator: Operator
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """A value that a step hands on to the next one.

    Parameters
    ----------
    name : str
        As nodes read it.
    following : str
        The value that is its next one: any value of the graph.
    initial : array
        At the first step. The state may grow, as a cache of keys does.
    """

    name: str
    following: str
    initial: NDArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "initial", kept(np.asarray(self.initial)))


@dataclass(frozen=True)
class Request:
    """Products of matrices that a walk waits for.

    Parameters
    ----------
    nodes : tuple of str
        `Linear` nodes by full name; those within loops begin with the loop's name.
    inputs : tuple of array
        Of each node, (..., inputs of its matrix), float32.
    """

    nodes: tuple[str, ...]
    inputs: tuple[NDArray, ...]


Result = TypeVar("Result")
#: Answered with the outputs of each node of the request.
Walk: TypeAlias = Generator[Request, Sequence[NDArray[Any]], Result]
#: Is told of every node that was done: its full name, the node, its inputs (an absent one is None) and outputs.
Observer: TypeAlias = Callable[[str, Node, Values, Values], None]


@dataclass(frozen=True)
class Step:
    """What one evaluation of a graph gave.

    Parameters
    ----------
    outputs : mapping of str to array
    states : mapping of str to array
        For the next step.
    """

    outputs: Mapping[str, NDArray]
    states: Mapping[str, NDArray]
