"""Runs that are kept: an interrupted one loses nothing, goes on, and mixes with no other."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.graph.graph import Walk
from cosim.system.checkpoint import CheckpointError
from cosim.system.kept import KeptSamples
from cosim.system.layer_errors import LayerErrors
from cosim.system.network import Network
from cosim.system.system import Run, System
from tests.cosim.system.networks import image, numbers


def interrupt_after(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when so many walks have begun."""
    begun: list[int] = []
    walk = Network.walk

    def counted(self: Network, inputs: Any, **rest: Any) -> Walk[Any]:
        begun.append(1)
        if len(begun) > samples:
            raise KeyboardInterrupt
        return walk(self, inputs, **rest)

    monkeypatch.setattr(Network, "walk", counted)


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = numbers(9, 40, seed=2)
    whole_errors, errors = LayerErrors(image("mlp").network), LayerErrors(image("mlp").network)
    whole = System(image("mlp")).run(inputs, errors=whole_errors)["y"]
    with monkeypatch.context() as patch:
        interrupt_after(2 * 5, patch)
        watched = LayerErrors(image("mlp").network)
        with pytest.raises(KeyboardInterrupt):
            System(image("mlp")).run(inputs, errors=watched, checkpoint=tmp_path, batch=1)
    done: list[int] = []
    system = System(image("mlp"))
    got = system.run(inputs, errors=errors, checkpoint=tmp_path, progress=lambda count, _: done.append(count))["y"]
    assert done == [6, 7, 8, 9]
    assert np.array_equal(got, whole)
    assert list(errors) == list(whole_errors)


def test_a_finished_run_needs_no_chip(tmp_path: Path) -> None:
    inputs = numbers(3, 40, seed=2)
    first = System(image("mlp")).run(inputs, checkpoint=tmp_path)["y"]
    system = System(image("mlp"))
    assert np.array_equal(system.run(inputs, checkpoint=tmp_path)["y"], first)
    assert system.statistics == []


@pytest.mark.parametrize(
    ("name", "run", "inputs", "what"),
    [
        ("mlp", Run(seed=1), numbers(3, 40), "seed"),
        ("mlp", Run("ideal"), numbers(3, 40), "engine"),
        ("mlp", Run(aged_s=1e6), numbers(3, 40), "age"),
        ("mlp", Run(), numbers(3, 40, seed=9), "samples"),
    ],
)
def test_another_run_is_refused(name: str, run: Run, inputs: Any, what: str, tmp_path: Path) -> None:
    System(image("mlp")).run(numbers(3, 40), checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match=f"another run: .*{what}"):
        System(image(name), run).run(inputs, checkpoint=tmp_path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_are_written_after_a_while_and_at_the_end(tmp_path: Path) -> None:
    now = [0.0]
    with KeptSamples(tmp_path, clock=lambda: now[0]) as kept:
        kept.keep(4, {"y": np.ones(2)}, {"n": np.zeros(5)})
        assert names(tmp_path) == []
        now[0] = 21.0
        kept.keep(2, {"y": np.ones(3)}, {})
        assert names(tmp_path) == ["00000002-0002.npz"]
        kept.keep(9, {"y": np.ones(1)}, {})
    assert names(tmp_path) == ["00000002-0002.npz", "00000009-0001.npz"]
    again = KeptSamples(tmp_path)
    assert {sample: list(outputs) for sample, outputs in again.found.items()} == {2: ["y"], 4: ["y"], 9: ["y"]}
    assert {sample: list(sums) for sample, sums in again.errors.items()} == {4: ["n"]}


def damaged(folder: Path) -> Iterable[bytes]:
    whole = next(folder.glob("*.npz")).read_bytes()
    yield whole[: len(whole) // 2]
    yield b""


def test_what_is_damaged_is_run_again(tmp_path: Path) -> None:
    inputs = numbers(3, 40, seed=2)
    first = System(image("mlp")).run(inputs, checkpoint=tmp_path)["y"]
    for content in damaged(tmp_path / "samples"):
        next((tmp_path / "samples").glob("*.npz")).write_bytes(content)
        assert np.array_equal(System(image("mlp")).run(inputs, checkpoint=tmp_path)["y"], first)
