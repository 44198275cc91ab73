"""JSON: what is written is JSON for every reader, and what is read is what was written."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import cosim
from cosim.files.json_text import JsonError, from_json, to_json


def test_figures_that_do_not_exist_are_null() -> None:
    values = {
        "a": [1.5, float("nan"), float("inf")],
        "b": np.float64("nan"),
        "c": np.array([1.0, np.nan]),
        "d": (np.nan,),
    }
    assert from_json(to_json(values)) == {"a": [1.5, None, None], "b": None, "c": [1.0, None], "d": [None]}


def test_numbers_of_numpy_are_numbers() -> None:
    values = {"a": np.int64(3), "b": np.float32(0.5), "c": np.bool_(True), "d": np.arange(3), "e": np.str_("x")}
    assert from_json(to_json(values)) == {"a": 3, "b": 0.5, "c": True, "d": [0, 1, 2], "e": "x"}
    assert from_json(to_json({np.int64(2): frozenset({(1, 0), (0, 1)})})) == {"2": [[0, 1], [1, 0]]}


def test_other_objects_are_no_json() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        to_json({"path": Path()})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON: Expecting value"),
        ("{'a': 1}", "no JSON"),
        ('{"a": NaN}', "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5_000, "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
    ],
)
def test_what_is_no_json_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(JsonError, match=message):
        from_json(text)


def test_nothing_else_writes_json() -> None:
    """`json.dumps` writes NaN, which is no JSON, and fails on numbers of numpy."""
    rooms = Path(cosim.__file__).parent
    writers = [path for path in rooms.rglob("*.py") if re.search(r"\bjson\.dumps?\(", path.read_text(encoding="utf-8"))]
    assert [path.name for path in writers] == ["json_text.py"]
    assert json.loads(to_json([1])) == [1]
