"""One node of a file, as its translation sees it; and which translation there is for which operator."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.onnx.draft import Draft
from cosim.graph.onnx.file import OnnxFile, array_of
from cosim.graph.operator import Operator

__all__ = ["TRANSLATIONS", "Call", "Translation", "reads"]

#: How the name of a matrix, or a bias, ends that is called after the layer it belongs to.
_PARAMETER = re.compile(r"(.+?)[./_](?:weight|kernel|W|bias)")

#: Where PyTorch's newer exporter says which modules a node lies in, as the text of a list; the last one is the node.
_SCOPES = "pkg.torch.onnx.name_scopes"


class Call:
    """One node.

    Parameters
    ----------
    node : NodeProto
    name : str
        Of the node in the graph.
    draft : Draft
    file : OnnxFile
    uses : mapping of str to int
        How often each value of the file is read, outputs of the network included.

    Members
    -------
    inputs : list of str
        Values; "" for those that are absent.
    outputs : int
        How many the file names.
    """

    def __init__(self, node: Any, name: str, draft: Draft, file: OnnxFile, uses: Mapping[str, int]) -> None:
        self.operator: str = node.op_type
        self.name = name
        self.draft = draft
        self.opset = file.opset
        self.names = list(node.input)
        self.inputs = [draft.value(one) if one else "" for one in node.input]
        self.outputs = len(node.output)
        self._node, self._file, self._uses = node, file, uses
        self._attributes = {one.name: one for one in node.attribute}

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's number, text, list of these, or array; `default` where it is not given."""
        if name not in self._attributes:
            return default
        found = self._attributes[name]
        if found.HasField("t"):
            return array_of(found.t, f"attribute {name}")
        for field in ("f", "i", "s"):
            if found.HasField(field):
                value = getattr(found, field)
                return value.decode() if isinstance(value, bytes) else value
        for field in ("floats", "ints", "strings"):
            values = list(getattr(found, field))
            if values:
                return [value.decode() if isinstance(value, bytes) else value for value in values]
        if found.type in (found.FLOATS, found.INTS, found.STRINGS):
            return []
        raise NetworkError(f"attribute {name} is of a kind that is not read")

    def input(self, at: int) -> str:
        """An input's value, "" where it is absent."""
        return self.inputs[at] if at < len(self.inputs) else ""

    def setting(self, name: str, at: int) -> str:
        """What newer versions of an operator take as input `at` and older ones as an attribute; "" for neither."""
        if self.input(at):
            return self.input(at)
        value = self.attribute(name)
        return "" if value is None else self.draft.constant(value)

    def constant(self, at: int) -> NDArray | None:
        """The array of an input, if it is known."""
        return self.draft.constants.get(self.input(at))

    def known(self, at: int, what: str, default: Any = None) -> NDArray:
        """The array of an input that must be known, or `default` where it is absent.

        Raises
        ------
        NetworkError
            If it is computed when the network runs.
        """
        if not self.input(at) and default is not None:
            return np.asarray(default)
        found = self.constant(at)
        if found is None:
            self.refuse(f"{what} must be a constant of the file, but is computed, or an input of the network")
        return found

    def rank(self, at: int) -> int | None:
        """How many axes an input has, where that is known."""
        array = self.constant(at)
        return self._file.ranks.get(self.names[at]) if array is None else array.ndim

    def sure_rank(self, at: int) -> int:
        """How many axes an input has.

        Raises
        ------
        NetworkError
            If the file does not say.
        """
        rank = self.rank(at)
        if rank is None:
            self.refuse(f"the file does not say how many axes {self.names[at]!r} has; declare the shape of the inputs")
        return rank

    def input_type(self, at: int) -> str | None:
        """ONNX's name of the type of an input, "FLOAT", where it is known."""
        return self._file.types.get(self.names[at])

    def output_type(self, at: int = 0) -> str | None:
        """As `input_type`, of an output."""
        return self._file.types.get(self._node.output[at])

    def used(self, at: int) -> bool:
        """Whether anything reads an output."""
        return at < self.outputs and bool(self._uses.get(self._node.output[at]))

    def only_use(self, at: int) -> bool:
        """Whether nothing else reads an input."""
        return self._uses.get(self.names[at]) == 1

    def do(self, operator: Operator, *inputs: str, part: str = "") -> str:
        """A node of the graph with one output that matters; its value."""
        return self.do_all(operator, *inputs, outputs=1, part=part)[0]

    def do_all(self, operator: Operator, *inputs: str, outputs: int, part: str = "") -> tuple[str, ...]:
        """A node of the graph; its values."""
        return self.draft.add(operator, inputs, outputs, f"{self.name}/{part}" if part else self.name)

    def number(self, value: Any) -> str:
        """A constant."""
        return self.draft.constant(value)

    def linear(self, x: str, weights: NDArray, bias: NDArray | None = None, *, source: int = 1, part: str = "") -> str:
        """A product with a matrix, called after its layer.

        Parameters
        ----------
        x : str
        weights : (inputs, outputs) array
        bias : (outputs,) array, optional
        source : int
            The input that the weights were made from.
        part : str
            Behind the layer's name.
        """
        name = "/".join(filter(None, (self.layer(source), part)))
        return self.draft.add(self.draft.linear(weights, bias), (x,), 1, name)[0]

    def parameter_of(self, source: int) -> str | None:
        """The layer that a parameter's name tells: "encoder/fc1" of "encoder.fc1.weight"."""
        for name in (self.names[source], self.draft.origins.get(self.inputs[source], "")):
            if named := _PARAMETER.fullmatch(name):
                return named[1].strip("/").replace(".", "/")
        return None

    @property
    def module(self) -> str | None:
        """The layer that the node belongs to, where its exporter says so: beside it, or in the path of its name."""
        scopes = next((one.value for one in self._node.metadata_props if one.key == _SCOPES), "")
        path, _, last = self.name.rpartition("/")
        if inner := re.findall(r"'([^']*)'", scopes)[:-1]:
            path = inner[-1]
        elif not re.fullmatch(rf"{self.operator}(_\d+)?", last):
            path = ""
        return path.replace(".", "/") or None

    def layer(self, source: int) -> str:
        """The layer that weights belong to, as their name tells, or the node."""
        return self.parameter_of(source) or self.module or self.name

    def refuse(self, why: str) -> NoReturn:
        """Say that this node cannot be mapped.

        Raises
        ------
        NetworkError
        """
        raise NetworkError(why)


#: Adds a node's operators to the graph; gives the values of its outputs.
Translation: TypeAlias = Callable[[Call], str | tuple[str, ...]]

#: By operator.
TRANSLATIONS: dict[str, Translation] = {}


def reads(*operators: str) -> Callable[[Translation], Translation]:
    """Let a function translate these operators."""

    def register(function: Translation) -> Translation:
        TRANSLATIONS.update(dict.fromkeys(operators, function))
        return function

    return register
