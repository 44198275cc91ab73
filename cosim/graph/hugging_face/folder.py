"""A folder as Hugging Face has them: config.json, and tensors in one or several safetensors files."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analog_models.values import kept
from cosim.files.extras import needed
from cosim.files.json_text import JsonError, from_json
from cosim.graph.errors import NetworkError
from cosim.graph.linear import Linear
from cosim.graph.operator import Operator
from cosim.graph.operators.activations import Gelu, Relu, Silu, Tanh, TanhGelu
from cosim.graph.operators.normalisation import LayerNorm

__all__ = ["ModelFolder"]

_ONE_FILE, _INDEX = "model.safetensors", "model.safetensors.index.json"
#: Kinds of numbers that weights come in.
_REAL = ("F16", "BF16", "F32", "F64")
#: What begins the names of a model's own tensors beside a head, where it is not `model_type`.
_BASES = {"whisper": "model"}
_ACTIVATIONS: Mapping[str, Operator] = {
    "gelu": Gelu(),
    "gelu_new": TanhGelu(),
    "gelu_pytorch_tanh": TanhGelu(),
    "relu": Relu(),
    "silu": Silu(),
    "swish": Silu(),
    "tanh": Tanh(),
}


class ModelFolder:
    """An open folder; use it in a `with` block.

    Parameters
    ----------
    path : Path

    Raises
    ------
    NetworkError
        If a file is missing, or is no JSON or no safetensors file.
    MissingPackage
        Without the extra "networks".
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = _json(path / "config.json")
        self._linears: dict[str, Linear] = {}
        self._files: dict[str, Any] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for name in self._names_of_files():
                file = stack.enter_context(_opened(self.path / name))
                self._files |= dict.fromkeys(file.keys(), file)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _names_of_files(self) -> list[str]:
        if (self.path / _ONE_FILE).is_file():
            return [_ONE_FILE]
        if not (self.path / _INDEX).is_file():
            raise NetworkError(
                f"{self.path} has neither {_ONE_FILE} nor {_INDEX}; other formats can be saved anew with "
                "save_pretrained(folder, safe_serialization=True)"
            )
        places = _json(self.path / _INDEX).get("weight_map")
        if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
            raise NetworkError(f"{self.path / _INDEX} has no weight_map, which names the file of each tensor")
        names = sorted(set(places.values()))
        outside = [name for name in names if Path(name).name != name]
        if outside:
            raise NetworkError(f"{self.path / _INDEX} names {outside[0]!r}; expected names of files beside it")
        return names

    def __contains__(self, name: str) -> bool:
        return self._full(name) in self._files

    def _full(self, name: str) -> str:
        """A tensor's name in the files: where they hold a head as well, the model's own tensors begin with a base."""
        return name if name in self._files else f"{_BASES.get(self.kind, self.kind)}.{name}"

    @property
    def kind(self) -> str:
        """`model_type`."""
        return self.text("model_type")

    def number(self, key: str, default: int | None = None) -> int:
        """A whole number of the configuration, 1 or more."""
        value = self.config.get(key, default)
        if type(value) is not int or value < 1:
            raise NetworkError(f"{self.path / 'config.json'}: {key} must be a whole number from 1, got {value!r}")
        return value

    def text(self, key: str) -> str:
        """A text of the configuration."""
        value = self.config.get(key)
        if not isinstance(value, str):
            raise NetworkError(f"{self.path / 'config.json'}: {key} must be a text, got {value!r}")
        return value

    def epsilon(self) -> float:
        """`layer_norm_eps`."""
        value = self.config.get("layer_norm_eps", 1e-12)
        if type(value) not in (int, float) or not 0 < value < 1:
            raise NetworkError(f"{self.path / 'config.json'}: layer_norm_eps must be within 0 and 1, got {value!r}")
        return float(value)

    def activation(self, key: str) -> Operator:
        """The operator that a text of the configuration names."""
        name = self.text(key)
        if name not in _ACTIVATIONS:
            known = ", ".join(_ACTIVATIONS)
            raise NetworkError(f"{self.path / 'config.json'}: {key} is {name!r}, which there is not; there are {known}")
        return _ACTIVATIONS[name]

    def expect(self, key: str, value: Any) -> None:
        """Make sure that an option of the configuration, if it is there, has the one value that is supported."""
        found = self.config.get(key, value)
        if found != value:
            raise NetworkError(f"{self.path / 'config.json'}: {key} is {found!r}, and only {value!r} is supported")

    def tensor(self, name: str, *shape: int) -> NDArray[np.float32]:
        """A tensor, in float32.

        Raises
        ------
        NetworkError
            If it is missing, or of another shape or type.
        """
        full = self._full(name)
        if full not in self._files:
            raise NetworkError(f"{self.path} has no tensor {name!r}, nor {full!r}, which a {self.kind} needs")
        piece = self._files[full].get_slice(full)
        found, kind = tuple(piece.get_shape()), piece.get_dtype()
        if found != shape or kind not in _REAL:
            raise NetworkError(
                f"{self.path}: tensor {full!r} is {kind} {found}, its config.json wants real numbers {shape}"
            )
        if kind == "BF16":
            needed("ml_dtypes", "networks", "reading bfloat16")  # numpy knows the type by its name from then on
        array: NDArray[np.float32] = self._files[full].get_tensor(full).astype(np.float32)
        return kept(array)

    def linear(self, name: str, inputs: int, outputs: int, *, bias: bool = True) -> Linear:
        """The matrix ``name.weight``, which is (outputs, inputs), with its bias; asked again, the same one."""
        if name not in self._linears:
            weights = self.tensor(f"{name}.weight", outputs, inputs).T
            self._linears[name] = Linear(weights, self.tensor(f"{name}.bias", outputs) if bias else None)
        return self._linears[name]

    def layer_norm(self, name: str, width: int, eps: float) -> LayerNorm:
        """The normalisation ``name.weight``, ``name.bias``; older files call them gamma and beta."""
        old = f"{name}.gamma" in self
        scale, shift = ("gamma", "beta") if old else ("weight", "bias")
        return LayerNorm(self.tensor(f"{name}.{scale}", width), self.tensor(f"{name}.{shift}", width), eps)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = from_json(path.read_bytes())
    except FileNotFoundError:
        raise NetworkError(f"{path} is missing; expected a folder as Hugging Face has them") from None
    except OSError as error:
        raise NetworkError(f"{path} cannot be read: {error.strerror or error}") from None
    except JsonError as error:
        raise NetworkError(f"{path}: {error}") from None
    if not isinstance(value, dict):
        raise NetworkError(f"{path} must hold a table")
    return value


def _opened(path: Path) -> Any:
    library = needed("safetensors", "networks", "reading weights")
    try:
        return library.safe_open(path, framework="numpy")
    except FileNotFoundError:
        raise NetworkError(f"{path} is missing") from None
    except (library.SafetensorError, OSError) as error:
        raise NetworkError(f"{path} is no safetensors file, or only part of one: {error}") from None
