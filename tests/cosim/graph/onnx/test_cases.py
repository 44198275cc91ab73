"""ONNX's own test data: each case is right, or refused by name; docs/onnx.md says how many."""

import pytest

from tests.cosim.graph.onnx.cases import BEGIN, PAGE, results, table, written


def test_every_case_of_onnx_is_right_or_refused_by_name() -> None:
    made = table(results())
    page = PAGE.read_text(encoding="utf-8")
    if BEGIN not in page:
        pytest.skip("the page is of another version of onnx, which has other cases")
    assert written(page, made) == page, "run `python -m tests.cosim.graph.onnx.cases`"
