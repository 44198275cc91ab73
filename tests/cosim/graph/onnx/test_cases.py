"""ONNX's own test data: each case is right, or refused by name; docs/onnx.md says how many."""

import pytest

from tests.cosim.graph.onnx.cases import BEGIN, PAGE, results, table, written


def test_every_case_of_onnx_is_right_or_refused_by_name() -> None:
    page = PAGE.read_text(encoding="utf-8")
    if BEGIN not in page:
        pytest.skip("docs/onnx.md is of another version of onnx, which has other cases")
    assert written(page, table(results())) == page, "run `python -m tests.cosim.graph.onnx.cases`"
