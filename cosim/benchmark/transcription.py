"""Transcription on the twin: sentences side by side, of which seconds of speech are counted."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from analog_models.config import AnalogConfig
from cosim.system.building import build
from cosim.system.system import Run, System
from cosim.workloads.rnnt.mapping import FirstLayer
from cosim.workloads.rnnt.model import RnntModel
from cosim.workloads.rnnt.network import SHIPPED, RnntNetwork, RnntShape
from cosim.workloads.rnnt.workload import Spoken, Transcription
from rtl.config import preset

__all__ = ["transcription", "transcription_problem"]

#: Of a network that fits onto small chips, and its sentences.
_SMALL, _STEPS, _STEP_S = RnntShape(features=6, encoder=4, prediction=2, joint=6, labels=3), 6, 0.03


@cache
def _prepared(sentences: int, small: bool, analog: AnalogConfig) -> tuple[System, Transcription]:
    """The shipped network with synthesised sentences on its chips; or a random one with random ones on small chips."""
    if small:
        random = np.random.default_rng(0)
        spoken = [
            Spoken(f"{number}", "", random.standard_normal((_STEPS, 6)).astype(np.float32), _STEPS * _STEP_S)
            for number in range(sentences + 2)
        ]
        model = RnntModel(RnntNetwork.random(_SMALL, labels="ab"))
        task = Transcription(model, "random numbers", tuple(spoken[:-2]), tuple(spoken[-2:]))
    else:
        task = Transcription.of(RnntModel(RnntNetwork.load(SHIPPED)), None, sentences)
    config = preset("small") if small else preset()
    workload = task.workload(analog, FirstLayer.ONCE if small else FirstLayer.AVERAGED, config=config)
    options = replace(workload.options, trials=0)
    image = build(workload.network, workload.calibration, options, config=config, loss=workload.loss)
    system = System(image, Run("twin", analog))
    _ = system.chips
    return system, task


def transcription(sentences: int, lanes: int, analog: AnalogConfig) -> tuple[Callable[[], object], float]:
    """Work that transcribes so many sentences side by side, and how many seconds they last."""
    system, task = _prepared(sentences, lanes != preset().lanes, analog)
    seconds = sum(one.seconds for one in task.spoken)
    return lambda: system.results(task.walks(), batch=sentences), seconds


def transcription_problem() -> str | None:
    """Why transcription is not measured, or None if it can be: it takes a synthesiser, and what counts words."""
    try:
        Transcription.of(RnntModel(RnntNetwork.load(SHIPPED)), None, 1)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
