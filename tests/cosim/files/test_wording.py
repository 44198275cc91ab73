"""Numbers and lists in sentences."""

from cosim.files.wording import counted, listed, span_in_words


def test_one_is_one_and_many_are_many() -> None:
    assert [counted(number, "clip") for number in (0, 1, 2718)] == ["0 clips", "1 clip", "2,718 clips"]
    assert [counted(number, "policy", "policies") for number in (1, 2)] == ["1 policy", "2 policies"]


def test_lists_and_spans() -> None:
    assert [listed(parts) for parts in ([], ["a"], ["a", "b"], "abc")] == ["none", "a", "a and b", "a, b and c"]
    assert [span_in_words(values) for values in ([50, 100, 400], [0.5])] == ["50 to 400", "0.5"]
