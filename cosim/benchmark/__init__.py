"""Benchmarks: the RTL engine, its bare model, the twin and plain numpy on the same work. `duramesh bench`."""

from cosim.benchmark.suite import Benchmark, Plan, measure
from cosim.benchmark.timing import Series

__all__ = ["Benchmark", "Plan", "Series", "measure"]
