"""Failing experiments made small: fewer units, words, cycles, fields, pulses, as long as they still fail."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from time import monotonic
from typing import TypeVar

import numpy as np

from analog_models.config import AnalogConfig
from cosim.experiment import Experiment
from cosim.files.wording import counted
from cosim.isa.words import Operation, WordError, decode, encode, fields_of
from cosim.program import Unit

__all__ = ["shrink", "size"]

Key = TypeVar("Key")
Value = TypeVar("Value")
#: Says of each of several experiments whether it fails.
Fails = Callable[[Sequence[Experiment]], Sequence[bool]]

#: Experiments tried in one session: enough to make its start cheap, few enough to look at the best one soon.
_BATCH = 24


def shrink(
    experiment: Experiment, fails: Fails, *, seconds: float = 300, progress: Callable[[str], None] | None = None
) -> Experiment:
    """The smallest experiment found that still fails.

    Delta debugging by steps: the simplest first that still fails is taken, until no step does.

    Parameters
    ----------
    experiment : Experiment
        It fails.
    fails : callable (experiments) -> bools
        Tries several experiments, in one session where that is cheaper.
    seconds : float
        Wall time after which the smallest so far will do; Ctrl-C says so earlier.
    progress : callable (text), optional
        Told about every step.
    """
    end = monotonic() + seconds
    with suppress(KeyboardInterrupt):
        for smaller in _smaller(experiment, fails):
            experiment = smaller
            if progress is not None:
                progress(size(experiment))
            if monotonic() > end:
                break
    return experiment


def _smaller(experiment: Experiment, fails: Fails) -> Iterator[Experiment]:
    """Ever smaller experiments that fail."""
    again = True
    while again:
        again = False
        for step in (_fewer_cycles, _fewer_units, _plainer_surroundings, _fewer_words, _plainer_words, _fewer_pulses):
            at = 0  # what came before does not fail: try it again only when all else is done
            while batch := list(islice(step(experiment), at, at + _BATCH)):
                first = next((i for i, failed in enumerate(fails(batch)) if failed), len(batch))
                at += first
                # What failed in the company of others has to fail alone, too.
                if first == 0 or (first < len(batch) and fails([batch[first]])[0]):
                    experiment, again = batch[first], True
                    yield experiment
                elif first < len(batch):
                    at += 1


def size(experiment: Experiment) -> str:
    """How big an experiment is, in words."""
    words = sum(len(words) for words in experiment.units.values())
    return (
        f"{counted(words, 'word')} in {counted(len(experiment.units), 'unit')}, {counted(experiment.cycles, 'cycle')}"
    )


def _fewer_units(experiment: Experiment) -> Iterator[Experiment]:
    for some in _chunks(len(experiment.units)):
        yield replace(experiment, units=_without(experiment.units, some))


def _fewer_cycles(experiment: Experiment) -> Iterator[Experiment]:
    cycles = experiment.cycles
    for fewer in sorted({1, cycles // 4, cycles // 2, cycles * 3 // 4, cycles * 7 // 8, cycles - 10, cycles - 1}):
        if 0 < fewer < cycles:
            yield replace(experiment, cycles=fewer)


def _plainer_surroundings(experiment: Experiment) -> Iterator[Experiment]:
    for some in _chunks(len(experiment.weights)):
        yield replace(experiment, weights=_without(experiment.weights, some))
    for some in _chunks(len(experiment.masks)):
        yield replace(experiment, masks=_without(experiment.masks, some))
    for some in _chunks(len(experiment.vectors)):
        yield replace(experiment, vectors=_without(experiment.vectors, some))
    if experiment.analog != AnalogConfig.ideal():
        yield replace(experiment, analog=AnalogConfig.ideal())
    if experiment.seed or experiment.frame:
        yield replace(experiment, seed=0, frame=0)


def _fewer_words(experiment: Experiment) -> Iterator[Experiment]:
    for unit, words in experiment.units.items():
        for some in _chunks(len(words)):
            if len(some) < len(words):
                yield _with(experiment, unit, _shortened(unit, words, some))


def _shortened(unit: Unit, words: tuple[int, ...], dropped: range) -> tuple[int, ...]:
    """Words without some; targets behind them move with the words that they name."""
    kept = []
    for i, word in enumerate(words):
        if i in dropped:
            continue
        try:
            operation = decode(unit.kind, word)
        except WordError:
            kept.append(word)
            continue
        target = operation.fields.get("target", 0)
        if dropped.start < target <= len(words):
            fields = {**operation.fields, "target": max(target - len(dropped), dropped.start)}
            word = encode(unit.kind, replace(operation, fields=fields))
        kept.append(word)
    return tuple(kept)


def _plainer_words(experiment: Experiment) -> Iterator[Experiment]:
    for unit, words in experiment.units.items():
        for i, word in enumerate(words):
            for plainer in _plainer(unit, word):
                yield _with(experiment, unit, (*words[:i], plainer, *words[i + 1 :]))


def _plainer(unit: Unit, word: int) -> Iterator[int]:
    try:
        operation = decode(unit.kind, word)
    except WordError:
        return
    if operation.mnemonic not in ("NOP", "HALT"):
        yield encode(unit.kind, Operation("NOP", {}, operation.wait))
    for wait in sorted({0, operation.wait // 2, max(operation.wait - 1, 0)}):
        if wait < operation.wait:
            yield encode(unit.kind, replace(operation, wait=wait))
    for name in fields_of(unit.kind, operation.mnemonic):
        value = operation.fields[name]
        for less in {0, 1 if name not in ("level", "target") else 0} - {value}:
            if value not in (0, 1) or less == 0:
                yield encode(unit.kind, replace(operation, fields={**operation.fields, name: less}))


def _fewer_pulses(experiment: Experiment) -> Iterator[Experiment]:
    for ilp, codes in experiment.vectors.items():
        for lanes in _chunks(codes.shape[1]):
            if codes[:, lanes].any():
                fewer = np.array(codes)
                fewer[:, lanes] = 0
                yield replace(experiment, vectors={**experiment.vectors, ilp: fewer})
        if len(codes) > 1:
            yield replace(experiment, vectors={**experiment.vectors, ilp: codes[: len(codes) // 2]})


def _without(things: Mapping[Key, Value], some: range) -> dict[Key, Value]:
    return {key: value for i, (key, value) in enumerate(things.items()) if i not in some}


def _with(experiment: Experiment, unit: Unit, words: tuple[int, ...]) -> Experiment:
    return replace(experiment, units={**experiment.units, unit: words})


def _chunks(count: int) -> Iterator[range]:
    """All of `count` things, then each half, each quarter, ..., each one."""
    length = count
    while length:
        yield from (range(first, min(first + length, count)) for first in range(0, count, length))
        length //= 2
