"""Jobs wait for each other and for their resource, and for nothing else."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cosim.performance.timing import Jobs


def test_a_pipeline() -> None:
    """The slower unit decides, and a result that is under way holds nobody up but who needs it."""
    jobs, seconds = Jobs(), []
    for item in range(3):
        first = jobs.add("first", "a", 10, lag=2)
        seconds.append(jobs.add(f"second {item}", "b", 4, (first,)))
    timing = jobs.timing()
    assert timing.starts[seconds].tolist() == [12, 22, 32]
    assert (timing.total_ns, timing.busy_ns()) == (36, {"a": 30, "b": 12})
    assert timing.spans(["b"]) == {"b": [(12, 16, "second 0"), (22, 26, "second 1"), (32, 36, "second 2")]}
    assert timing.free() == {"a": 30, "b": 36}


def test_of_what_is_ready_the_oldest_begins() -> None:
    jobs = Jobs()
    long = jobs.add("long", "a", 10)
    late = jobs.add("late", "a", 1, (jobs.add("x", "b", 5),))
    early = jobs.add("early", "a", 1, (jobs.add("y", "c", 3),))
    starts = jobs.timing().starts
    assert (starts[long], starts[early], starts[late]) == (0, 10, 11)


def test_a_resource_that_is_taken_is_waited_for() -> None:
    jobs = Jobs()
    jobs.add("a", "a", 3)
    assert jobs.timing({"a": 7.0, "other": 100.0}).ends.tolist() == [10]


def test_no_job_takes_no_time() -> None:
    assert Jobs().timing().total_ns == 0


@pytest.mark.parametrize("bad", [(-1.0, (), 0.0), (1.0, (5,), 0.0), (1.0, (), -1.0)])
def test_jobs_are_checked(bad: tuple) -> None:
    with pytest.raises(ValueError, match="waits for"):
        Jobs().add("job", "a", *bad)


@example([(0, 1, set()), (0, 1, {0}), (0, 0, set())])  # what takes no time comes first
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.sets(st.integers(0, 20))), max_size=20))
def test_nothing_overlaps_and_nothing_is_early(given: list[tuple[int, int, set[int]]]) -> None:
    jobs, waits = Jobs(), []
    for number, (resource, ns, after) in enumerate(given):
        waits.append(tuple(one for one in after if one < number))
        jobs.add(str(number), f"r{resource}", ns, waits[-1])
    timing = jobs.timing()
    for job, after in enumerate(waits):
        assert all(timing.ends[one] <= timing.starts[job] for one in after)
    for spans in timing.spans().values():
        for before, later in pairwise(spans):
            assert before[1] <= later[0] or before[0] == before[1]
    assert np.all(timing.starts >= 0)
