"""A run from its settings: what it says, what it keeps, and that the command's options are its fields."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.cli.analog import AnalogChoice
from cosim.cli.workloads import kws
from cosim.system.checkpoint import CheckpointError
from cosim.workloads.kws.run import Settings, prepared


class Heard:
    """A display that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.last = (0, 0)
        self.pauses = 0

    def __call__(self, text: str) -> None:
        self.said.append(text)

    def advance(self, done: int, total: int) -> None:
        self.last = done, total

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.pauses += 1
        yield


def test_options_of_the_command_are_the_fields_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DURAMESH_FEATURES", raising=False)
    choices = kws.make_context("kws", []).params
    printed = {name: choices.pop(name) for name in ("json_file", "report")}
    assert printed == {"json_file": None, "report": None}
    analog = AnalogChoice(*(choices.pop(name) for name in ("preset", "devices", "constants")))
    assert choices.keys() | {"analog"} == {field.name for field in fields(Settings)}
    assert Settings(analog=analog.config(), **choices) == Settings()


def test_a_run_says_what_it_does_and_goes_on_from_its_checkpoint(files: dict[str, Path], tmp_path: Path) -> None:
    settings = Settings(engine="twin", clips=6, **files, checkpoint=tmp_path / "run", chunk=4)
    display = Heard()
    with prepared(settings, display) as run:
        first = run.classify()
    assert display.said[:2] == ["preparing the clips", "preparing the calibration clips"]
    assert display.said[-1] == "classifying 6 clips"
    assert display.last == (6, 6)
    assert not display.pauses, "the twin is not built"
    assert [note.split(":")[0] for note in run.notes] == ["programmed", "calibrated"]
    assert run.waves is None

    again = Heard()
    with prepared(settings, again) as run:
        second = run.classify()
    assert not any("programming" in text for text in again.said), "the chip is kept"
    assert [note.split(":")[0] for note in run.notes] == ["programmed", "calibrated", "resumed"]
    assert run.notes[1].endswith("in an earlier run")
    np.testing.assert_array_equal(first.outputs, second.outputs)

    other = replace(settings, analog=replace(AnalogConfig(), age_s=7.0))
    with pytest.raises(CheckpointError, match=r"there and pcm, nominal, age_s=7\.0 "), prepared(other, Heard()):
        pass
