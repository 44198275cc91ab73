"""What users give a network, and get from it: arrays of samples, or sample by sample where their shapes differ."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from analog_models.npz import NpzError, read_npy, read_npz
from cosim.files.errors import UserError
from cosim.graph import Graph

__all__ = ["InputError", "Inputs", "have_batch_axis", "joined", "read_inputs", "real_numbers", "samples_of"]

#: An array whose first axis are the samples, or one sample after the other.
Arrays: TypeAlias = NDArray[Any] | Sequence[NDArray[Any]]
#: Arrays, for a network with one input; by the inputs' names for one with several;
#: or one sample after the other.
Inputs: TypeAlias = Arrays | Mapping[str, Arrays] | Sequence[Mapping[str, NDArray[Any]]]
_Listed: TypeAlias = Sequence[Mapping[str, NDArray[Any]]]


class InputError(UserError, ValueError):
    """Inputs are no arrays of numbers, or not those of the network; the message says what was expected."""


def read_inputs(path: Path) -> NDArray | dict[str, NDArray]:
    """An array of an .npy file, or those of an .npz file by name.

    Raises
    ------
    InputError
        If the file is neither, damaged or too large, or has pickled objects.
    FileNotFoundError
    """
    try:
        return read_npz(path) if path.suffix == ".npz" else read_npy(path)
    except NpzError as error:
        raise InputError(f"{path}: {error}; expected an .npy file of one array, or an .npz file of several") from None


def samples_of(graph: Graph, inputs: Inputs, axes: Mapping[str, int] | None = None) -> list[dict[str, NDArray]]:
    """Inputs of a graph, sample by sample.

    Parameters
    ----------
    graph : Graph
    inputs : Inputs
    axes : mapping of str to int, optional
        How many axes an input of the graph has, where that is known. An array with just as many has its samples along
        the first axis, and each keeps that axis, with length 1; otherwise the first axis is none of the graph's.

    Raises
    ------
    InputError
        If there is none, an input is missing or unknown, has no numbers, or NaN or infinity among them.
    """
    if isinstance(inputs, Sequence) and inputs and isinstance(inputs[0], Mapping):
        samples = [{name: np.asarray(array) for name, array in one.items()} for one in cast(_Listed, inputs)]
    else:
        if isinstance(inputs, Mapping):
            arrays: dict[str, Any] = dict(inputs)
        elif len(graph.inputs) == 1:
            arrays = {graph.inputs[0]: inputs}
        else:
            raise InputError(f"{graph.name} takes {', '.join(graph.inputs)}; give a mapping with an array for each")
        if arrays.keys() != set(graph.inputs):
            raise InputError(f"{graph.name} takes {', '.join(graph.inputs)}; got {', '.join(arrays) or 'nothing'}")
        parts = {name: list(_parts(array, (axes or {}).get(name))) for name, array in arrays.items()}
        counts = {name: len(found) for name, found in parts.items()}
        if len(set(counts.values())) > 1:
            raise InputError(f"inputs have different numbers of samples along their first axis: {counts}")
        samples = [dict(zip(parts, one, strict=True)) for one in zip(*parts.values(), strict=True)]
    if not samples:
        raise InputError("no samples: inputs need at least one, along their first axis")
    return [_checked(graph, sample, number) for number, sample in enumerate(samples)]


def _parts(arrays: Arrays, axes: int | None) -> Iterator[NDArray]:
    """Samples of one input."""
    for array in arrays if isinstance(arrays, Sequence) else np.atleast_1d(np.asarray(arrays)):
        sample = np.asarray(array)
        yield sample[None] if axes is not None and sample.ndim == axes - 1 else sample


def _checked(graph: Graph, sample: Mapping[str, NDArray], number: int) -> dict[str, NDArray]:
    if sample.keys() != set(graph.inputs):
        names = ", ".join(sample) or "nothing"
        raise InputError(f"{graph.name} takes {', '.join(graph.inputs)}; sample {number} has {names}")
    return {name: real_numbers(array, f"{name} of sample {number}") for name, array in sample.items()}


def real_numbers(array: NDArray, what: str) -> NDArray:
    """An array as networks take it: float32, or int64.

    Raises
    ------
    InputError
        If it has no real numbers, or NaN or infinity among them; the message says `what` has.
    """
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what} is {array.dtype}; expected real numbers")
    if not np.isfinite(array).all():
        where = ", ".join(map(str, np.argwhere(~np.isfinite(array))[0]))
        raise InputError(f"{what} is NaN or infinite at ({where})")
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int64, copy=False)


def joined(outputs: Sequence[Mapping[str, NDArray]], *, batched: bool = False) -> dict[str, NDArray | list[NDArray]]:
    """By output, all samples along the first axis, or as a list where their shapes differ.

    Parameters
    ----------
    outputs : sequence of mapping of str to array
        Of every sample.
    batched : bool
        The first axis of an output is the samples', of length 1 in each; otherwise they get a new one.
    """
    found: dict[str, NDArray | list[NDArray]] = {}
    for name in outputs[0]:
        arrays = [one[name] for one in outputs]
        if len({array.shape for array in arrays}) > 1:
            found[name] = arrays
        else:
            own = batched and arrays[0].shape[:1] == (1,)
            found[name] = np.concatenate(arrays) if own else np.stack(arrays)
    return found


def have_batch_axis(samples: Sequence[Mapping[str, NDArray]], axes: Mapping[str, int]) -> bool:
    """Whether every input of every sample has the axes of the model's, the first one of length 1."""
    return all(
        array.ndim == axes.get(name) and array.shape[:1] == (1,) for sample in samples for name, array in sample.items()
    )
