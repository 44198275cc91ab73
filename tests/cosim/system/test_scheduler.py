"""Walks side by side: what they wait for is gathered, and nothing depends on who waits beside whom."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.graph import Request
from cosim.graph.graph import Walk
from cosim.system.scheduler import Asked, run_walks


class Doubles:
    """Answers with twice the inputs, and notes what came together."""

    def __init__(self) -> None:
        self.groups: list[tuple[tuple[str, ...], list[int]]] = []

    def kind(self, request: Request) -> Hashable:
        return request.nodes

    def multiply(self, asked: Sequence[Asked]) -> list[list[NDArray[Any]]]:
        self.groups.append((asked[0].request.nodes, [one.sample for one in asked]))
        for one in asked:
            one.frames[0] = one.frames.get(0, 0) + 1
        return [[2 * x for x in one.request.inputs] for one in asked]


def steps(names: str, value: int = 1) -> Walk[int]:
    """Asks for one node after the other."""
    for name in names:
        (array,) = yield Request((name,), (np.array([value]),))
        value = int(array[0])
    return value


def test_results_come_with_their_samples() -> None:
    walks = [(7, steps("aab", 1)), (3, steps("a", 5)), (9, steps("", 4))]
    assert dict(run_walks(walks, Doubles())) == {7: 8, 3: 10, 9: 4}


def test_walks_of_one_kind_go_together() -> None:
    doubles = Doubles()
    list(run_walks(((n, steps("ab")) for n in range(3)), doubles))
    assert doubles.groups == [(("a",), [0, 1, 2]), (("b",), [0, 1, 2])]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_no_more_than_the_batch_is_under_way(batch: int) -> None:
    begun: list[int] = []

    def walk(sample: int) -> Walk[int]:
        begun.append(sample)
        return (yield from steps("ab", sample))

    for ended, _ in enumerate(run_walks(((n, walk(n)) for n in range(5)), Doubles(), batch=batch), 1):
        assert len(begun) - ended <= batch
    assert begun == list(range(5))


def test_one_that_begins_late_waits_until_others_come_by() -> None:
    doubles = Doubles()
    list(run_walks(enumerate([steps("abcabc"), steps("abcabc"), steps("a"), steps("abcabc")]), doubles, batch=3))
    together = "".join(node for (node,), samples in doubles.groups if 3 in samples and len(samples) > 1)
    alone = "".join(node for (node,), samples in doubles.groups if samples == [3])
    assert doubles.groups[1] == (("b",), [0, 1])  # the fourth has begun, and waits with "a"
    assert (together, alone) == ("abc", "abc")


def test_frames_are_counted_by_sample() -> None:
    seen: dict[int, list[int]] = {}

    class Counting(Doubles):
        def multiply(self, asked: Sequence[Asked]) -> list[list[NDArray[Any]]]:
            for one in asked:
                seen.setdefault(one.sample, []).append(one.frames.get(0, 0))
            return super().multiply(asked)

    list(run_walks([(4, steps("ab")), (5, steps("abc"))], Counting()))
    assert seen == {4: [0, 1], 5: [0, 1, 2]}


def test_an_error_of_a_walk_is_the_callers() -> None:
    def failing() -> Walk[None]:
        yield Request(("a",), (np.zeros(1),))
        raise ValueError("node b")

    with pytest.raises(ValueError, match="node b"):
        list(run_walks([(0, failing())], Doubles()))
