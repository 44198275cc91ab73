"""When everything happens: jobs that wait for each other and share units, as a discrete-event simulation.

Chips and host units are resources that do one job at a time. A job begins when all that it waits for has ended and its
resource is free; of several that could begin, the one that has been ready longest, then the one added first.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

__all__ = ["Jobs", "Timing"]


@dataclass
class Jobs:
    """What is to be done, in an order in which each job comes after those that it waits for.

    Members
    -------
    resources : list of str
    names, at, ns, lag, following, waits : list
        Of every job: what it is; the index of its resource, and how long it takes that; how long its result is under
        way behind it, in a unit that is never short; which jobs wait for it, and for how many it waits itself.
    """

    resources: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    ns: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    following: list[tuple[int, ...]] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, resource: str, ns: float, after: Collection[int] = (), lag: float = 0.0) -> int:
        """One more job; its number.

        Raises
        ------
        ValueError
            If it takes less than no time, or waits for a job that is not there yet.
        """
        number = len(self.names)
        if ns < 0 or lag < 0 or (after and not 0 <= min(after) <= max(after) < number):
            raise ValueError(f"job {name!r} of {ns} and {lag} ns waits for {after}; jobs 0 to {number - 1} are there")
        if resource not in self._index:
            self._index[resource] = len(self.resources)
            self.resources.append(resource)
        self.names.append(name)
        self.at.append(self._index[resource])
        self.ns.append(ns)
        self.lag.append(lag)
        self.following.append(())
        self.waits.append(len(after))
        for one in after:
            self.following[one] += (number,)
        return number

    def timing(self, free: Mapping[str, float] | None = None) -> "Timing":
        """When each job runs.

        Parameters
        ----------
        free : mapping of str to float, optional
            When resources that something else has taken become free, ns.
        """
        starts, left = [0.0] * len(self.names), self.waits.copy()
        available = [(free or {}).get(name, 0.0) for name in self.resources]
        ready: list[list[tuple[float, int]]] = [[] for _ in available]
        # (time, kind, number): 0, a job's result is there; 1, a resource may begin something. Results come first, so
        # that all that becomes ready in a moment is known before a resource chooses.
        events: list[tuple[float, int, int]] = []

        def make_ready(job: int, now: float) -> None:
            resource = self.at[job]
            heappush(ready[resource], (now, job))
            heappush(events, (max(now, available[resource]), 1, resource))

        for job, waiting in enumerate(left):
            if not waiting:
                make_ready(job, 0.0)
        while events:
            now, kind, number = heappop(events)
            if kind == 0:
                for job in self.following[number]:
                    left[job] -= 1
                    if not left[job]:
                        make_ready(job, now)
            elif available[number] > now:
                heappush(events, (available[number], 1, number))
            elif ready[number]:
                _, job = heappop(ready[number])
                starts[job] = now
                available[number] = now + self.ns[job]
                heappush(events, (now + self.ns[job] + self.lag[job], 0, job))
        return Timing(self, np.array(starts))


@dataclass(frozen=True, eq=False)
class Timing:
    """When each job runs.

    Parameters
    ----------
    jobs : Jobs
    starts : (jobs,) float64
        ns.
    """

    jobs: Jobs
    starts: NDArray[np.float64]

    @property
    def ends(self) -> NDArray[np.float64]:
        """When each job leaves its resource, (jobs,) ns."""
        return self.starts + np.array(self.jobs.ns)

    @property
    def end_ns(self) -> float:
        """When the last result is there."""
        return float((self.ends + np.array(self.jobs.lag)).max()) if len(self.starts) else 0.0

    @property
    def total_ns(self) -> float:
        """From the first beginning to the last result."""
        return self.end_ns - float(self.starts.min()) if len(self.starts) else 0.0

    def busy_ns(self) -> dict[str, float]:
        """How long each resource is at work."""
        at, ns = np.array(self.jobs.at, np.int64), np.array(self.jobs.ns)
        return {name: float(ns[at == index].sum()) for index, name in enumerate(self.jobs.resources)}

    def free(self) -> dict[str, float]:
        """When each resource has done its last job."""
        at, ends = np.array(self.jobs.at, np.int64), self.ends
        return {name: float(ends[at == index].max()) for index, name in enumerate(self.jobs.resources)}

    def spans(self, resources: Sequence[str] | None = None) -> dict[str, list[tuple[float, float, str]]]:
        """(start, end, name) of the jobs of each resource, in the order of time: what a Gantt chart draws."""
        chosen = self.jobs.resources if resources is None else resources
        found: dict[str, list[tuple[float, float, str]]] = {name: [] for name in chosen}
        ends = self.ends
        for job in np.lexsort((ends, self.starts)):  # those that take no time come before what begins then
            name = self.jobs.resources[self.jobs.at[job]]
            if name in found:
                found[name].append((float(self.starts[job]), float(ends[job]), self.jobs.names[job]))
        return found
