"""Every file that the project writes, with every part of it in turn missing or something else: refused by its name."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analog_models import AnalogChip, AnalogFileError
from cosim.calibration import CalibratedChip, calibrate
from cosim.compiler import compile_network
from cosim.engines.results import Results
from cosim.engines.twin.engine import TwinEngine
from cosim.experiment import Experiment, Record
from cosim.files.errors import UserError
from cosim.files.json_text import from_json, to_json
from cosim.graph import FeedForwardNetwork, Graph, Layer
from cosim.program import Program
from rtl.config import Edge, preset

SMALL = preset("small")
#: Arrays whose length along the last axis nothing else tells.
OPEN = {("network", "weights1"), ("record", "row_time"), ("analog", "tiles")}
#: What a value of a header may be instead.
WRONG: tuple[Any, ...] = (None, -1, 1.5, True, "text", [], {}, 10**30, ["x"], {"x": 1})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each kind."""
    folder = tmp_path_factory.mktemp("saved")
    random = np.random.default_rng(0)
    layers = Layer(random.uniform(-1, 1, (16, 8)), "relu", 4.0), Layer(random.uniform(-1, 1, (8, 3)), "linear", 2.0)
    network = FeedForwardNetwork(layers)
    network.save(folder / "network.npz")
    network.graph().save(folder / "graph.npz")
    inputs = random.uniform(-1, 1, (8, 16))
    chip = calibrate(network, SMALL, inputs)
    chip.save(folder)
    TwinEngine().run(chip.program, chip.analog, inputs).save(folder / "results.npz")
    program = compile_network(network, SMALL)
    experiment = Experiment.of_program(program, program.input_codes(inputs[:1]))
    parts = {**vars(experiment), "masks": {(1, Edge.SOUTH): np.arange(16) % 3 == 0}}
    Experiment(**parts).save(folder / "experiment.npz")
    TwinEngine().perform([experiment])[0].save(folder / "record.npz")
    return folder


READERS: dict[str, Callable[[Path], object]] = {
    "network": FeedForwardNetwork.load,
    "graph": Graph.load,
    "program": Program.load,
    "experiment": Experiment.load,
    "record": Record.load,
    "results": Results.load,
    "analog": AnalogChip.load,
    "calibration": lambda path: CalibratedChip.load(path.parent),
}
#: Headers that hold JSON.
HEADERS = {name: "config" if name == "analog" else "meta" for name in READERS if name != "network"}


def others(array: NDArray) -> Iterator[NDArray]:
    """What an array may be instead: of another type, shape or range."""
    yield array[..., np.newaxis]
    yield np.zeros(array.shape, "S1" if array.dtype.kind == "U" else "U1")
    yield np.zeros(array.shape, np.int8 if array.dtype.kind == "f" else np.float64)
    yield np.zeros((), complex)
    if array.ndim:
        yield array.ravel()[:1] if array.ndim > 1 else array[:, np.newaxis]
        yield np.concatenate([array, array[..., -1:]], axis=-1)
        yield array[0]
    if array.dtype.kind == "f":
        yield np.full_like(array, np.nan)
        yield np.full_like(array, np.inf)


def inside(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The places of all values within a value; of the elements of a list the first."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value[:1]):
        yield (*path, key)
        if isinstance(part, dict | list):
            yield from inside(part, (*path, key))


def changed(value: Any, path: tuple, new: Any) -> Any:
    copy = value.copy()
    copy[path[0]] = new if len(path) == 1 else changed(value[path[0]], path[1:], new)
    return copy


def without(value: Any, path: tuple) -> Any:
    copy = value.copy()
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = without(value[path[0]], path[1:])
    return copy


@pytest.fixture(params=READERS)
def saved(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[Path, Callable[[], object]]]:
    """A file and how it is read, to be changed."""
    path = folder / f"{request.param}.npz"
    whole = path.read_bytes()
    READERS[request.param](path)
    yield path, lambda: READERS[request.param](path)
    path.write_bytes(whole)


def write(path: Path, arrays: dict[str, NDArray]) -> None:
    """Write the arrays, with a header that names them."""
    if "meta" in arrays and arrays["meta"].dtype.kind == "U" and not arrays["meta"].shape:
        meta = {**from_json(arrays["meta"].item()), "arrays": sorted(arrays.keys() - {"meta"})}
        arrays = {**arrays, "meta": np.array(to_json(meta))}
    np.savez(path, **arrays)


def refusal(read: Callable[[], object]) -> str:
    """What a reader says of a file; empty if it reads it."""
    try:
        read()
    except (UserError, AnalogFileError) as error:
        return str(error)
    return ""


def test_an_array_that_is_missing_is_named(saved: tuple[Path, Callable[[], object]]) -> None:
    """Whether the header knows of it or not: an experiment must not run without its weights."""
    path, read = saved
    arrays = dict(np.load(path))
    for name in arrays:
        np.savez(path, **{key: array for key, array in arrays.items() if key != name})
        said = refusal(read)
        assert path.name in said
        assert name in said


def test_an_array_too_many_is_named(saved: tuple[Path, Callable[[], object]]) -> None:
    path, read = saved
    write(path, dict(np.load(path)) | {"another": np.zeros(3)})
    assert re.search(rf"{path.name}.*another", refusal(read))


def test_another_array_is_refused(saved: tuple[Path, Callable[[], object]]) -> None:
    path, read = saved
    arrays = dict(np.load(path))
    for name, array in arrays.items():
        for other in others(array):
            write(path, arrays | {name: other})
            longer = other.ndim == array.ndim and other.dtype == array.dtype and other.shape[-1:] > array.shape[-1:]
            if not (longer and (path.stem, name) in OPEN):
                assert path.name in refusal(read), f"{name} as {other.dtype} {other.shape}"


def test_another_header_is_refused_or_harmless(saved: tuple[Path, Callable[[], object]]) -> None:
    path, read = saved
    if path.stem not in HEADERS:
        return
    name = HEADERS[path.stem]
    arrays = dict(np.load(path))
    header = from_json(arrays[name].item())

    def said_of(changed_header: Any) -> str:
        np.savez(path, **(arrays | {name: np.array(to_json(changed_header))}))
        return refusal(read)

    places = list(inside(header))
    for number, place in enumerate(places[:: 1 + len(places) // 40]):
        for value in (WRONG[number % len(WRONG)], WRONG[(3 * number + 1) % len(WRONG)]):
            said = said_of(changed(header, place, value))
            assert not said or path.name in said, place
        if str(place[-1]).isidentifier() and place[0] != "statistics":  # a field, and no entry of a table
            assert path.name in said_of(without(header, place)), place


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "[" * 100_000, '{"a": NaN}', "1" * 5000, '"\\ud800"', "null"],
    ids=["empty", "list", "half", "deep", "nan", "digits", "surrogate", "null"],
)
def test_a_header_of_something_else_is_refused(saved: tuple[Path, Callable[[], object]], text: str) -> None:
    path, read = saved
    if path.stem in HEADERS:
        np.savez(path, **(dict(np.load(path)) | {HEADERS[path.stem]: np.array(text)}))
        assert path.name in refusal(read)
