"""Values of JSON as typed values: what was written comes back, anything else is named by its place."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.files.json_text import JsonError, from_json, to_json
from cosim.files.typed import typed


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    width: int
    colour: Colour | None = None

    def __post_init__(self) -> None:
        if self.width < 0:
            raise ValueError(f"width must be 0 or more, got {self.width}")


@dataclass(frozen=True)
class Outer:
    name: str
    share: float
    on: bool
    parts: tuple[Inner, ...]
    square: tuple[int, int]
    holes: frozenset[tuple[int, int]]
    by_number: Mapping[int, Inner]
    rows: Sequence[int]
    anything: Any = None


GOOD = Outer(
    "a", 0.5, True, (Inner(1, Colour.RED), Inner(2)), (0, 1), frozenset({(1, 1)}), {3: Inner(4)}, (1, 2), {"x": [1]}
)


def test_what_is_written_comes_back() -> None:
    assert typed(Outer, from_json(to_json(asdict(GOOD)))) == GOOD
    assert typed(Outer, GOOD) is GOOD
    assert typed(float, 3) == 3.0


def test_instances_and_arrays_stay_as_they_are() -> None:
    array, path = np.arange(3), Path("a")
    assert typed(NDArray | None, array) is array
    assert typed(tuple[NDArray[np.int64], ...], [array])[0] is array
    assert typed(Path, path) is path
    with pytest.raises(JsonError, match=r"^x must be an array, got list"):
        typed(NDArray, [1], "x")
    with pytest.raises(JsonError, match=r"^x must be Path, got 'a'"):
        typed(Path, "a", "x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 1}, "^name must be a text, got 1"),
        ({"share": "0.5"}, "^share must be a number, got '0.5'"),
        ({"share": 10**400}, "^share must be a number, got 1000"),
        ({"on": 1}, "^on must be true or false, got 1"),
        ({"parts": {}}, "^parts must be a list, got dict"),
        ({"parts": [{"width": 1.0, "colour": None}]}, r"^parts\[0\]\.width must be a whole number, got 1\.0"),
        ({"parts": [{"width": -1, "colour": None}]}, r"^parts\[0\]: width must be 0 or more, got -1"),
        ({"parts": [{"width": 1, "colour": "green"}]}, r"^parts\[0\]\.colour must be one of red, blue, got 'green'"),
        ({"parts": [{"width": 1}]}, r"^parts\[0\]\.colour is missing"),
        ({"square": [1]}, "^square must be a list of 2, got list"),
        ({"holes": [[1, "2"]]}, r"^holes\[0\]\[1\] must be a whole number, got '2'"),
        ({"by_number": {"x": {"width": 1, "colour": None}}}, "^a name of by_number must be a whole number, got 'x'"),
        ({"by_number": {"1": 2}}, r"^by_number\['1'\] must be a table, got 2"),
        ({"rows": "12"}, "^rows must be a list, got '12'"),
        ({"more": 1}, "^more does not belong there"),
    ],
)
def test_what_is_something_else_is_named(changes: dict[str, Any], message: str) -> None:
    fields = from_json(to_json(asdict(GOOD)))
    with pytest.raises(JsonError, match=message):
        typed(Outer, {**fields, **changes})
