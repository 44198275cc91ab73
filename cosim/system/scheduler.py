"""Many walks side by side: what they wait for is multiplied together, each goes on when its answer is there.

A walk's answers depend on its own requests and its sample's number only. So the order of the samples, how many go side
by side, and which of them happen to wait together change no bit.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, Protocol, TypeVar

from numpy.typing import NDArray

from cosim.graph import Request
from cosim.graph.graph import Walk

__all__ = ["SIDE_BY_SIDE", "Asked", "Multiplier", "results_of", "run_walks"]

#: Walks that go on side by side: enough for the twin, whose rate hardly grows beyond.
SIDE_BY_SIDE = 64

Result = TypeVar("Result")


@dataclass
class Asked:
    """What one walk waits for.

    Members
    -------
    sample : int
        Number of the sample that the walk works on.
    request : Request
    frames : dict of int to int
        Frames that this sample has had on each chip; whoever runs more counts on.
    """

    sample: int
    request: Request
    frames: dict[int, int]


class Multiplier(Protocol):
    """What answers requests: chips, or numpy."""

    def kind(self, request: Request) -> Hashable:
        """Requests of one kind are answered together."""

    def multiply(self, asked: Sequence[Asked]) -> Sequence[Sequence[NDArray]]:
        """Outputs of every node of each request; all are of one kind."""


@dataclass
class _Job(Generic[Result]):
    walk: Walk[Result]
    sample: int
    frames: dict[int, int] = field(default_factory=dict)


def run_walks(
    walks: Iterable[tuple[int, Walk[Result]]], multiplier: Multiplier, *, batch: int = SIDE_BY_SIDE
) -> Iterator[tuple[int, Result]]:
    """Drive walks to their ends.

    Parameters
    ----------
    walks : iterable of (sample number, walk)
        Taken as places become free.
    multiplier : Multiplier
    batch : int
        Most walks that are under way at once.

    Yields
    ------
    (sample number, result)
        As walks end.

    Notes
    -----
    Of the kinds of requests that walks wait with, the one with most walks comes next, and of equal ones the one that
    waits longest. Walks that have fallen behind so gather, until they are the most, and catch up with the others.
    """
    source = iter(walks)
    waiting: dict[Hashable, list[tuple[_Job[Result], Request]]] = {}
    ended: list[tuple[int, Result]] = []

    def advance(job: _Job[Result], answer: Sequence[NDArray] | None) -> None:
        try:
            request = next(job.walk) if answer is None else job.walk.send(answer)
        except StopIteration as stop:
            ended.append((job.sample, stop.value))
        else:
            waiting.setdefault(multiplier.kind(request), []).append((job, request))

    exhausted = False
    while True:
        under_way = sum(map(len, waiting.values()))
        if not exhausted and under_way < batch:
            fresh = list(islice(source, batch - under_way))
            exhausted = not fresh
            for sample, walk in fresh:
                advance(_Job(walk, sample), None)
        elif waiting:
            kind = max(waiting, key=lambda kind: len(waiting[kind]))
            group = waiting.pop(kind)
            answers = multiplier.multiply([Asked(job.sample, request, job.frames) for job, request in group])
            for (job, _), answer in zip(group, answers, strict=True):
                advance(job, answer)
        yield from ended
        ended.clear()
        if exhausted and not waiting:
            return


def results_of(walks: Iterable[Walk[Result]], multiplier: Multiplier) -> list[Result]:
    """Results of all walks, in the walks' order."""
    return [result for _, result in sorted(run_walks(enumerate(walks), multiplier), key=lambda pair: pair[0])]
