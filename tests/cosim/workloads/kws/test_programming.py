"""How long it takes to program a chip, in CPU time: it should not depend on what else the machine does."""

import time

import numpy as np
import pytest

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.programming import WeightTargets
from analog_models.programming import program as write_weights
from cosim.compiler import compile_network
from cosim.engines.twin.engine import make_chip
from cosim.workloads.kws.model import KwsModel
from rtl.config import preset

CHIP = preset()


def programming_s(chip: AnalogChip, targets: dict[int, WeightTargets]) -> float:
    began = time.process_time()
    report = write_weights(chip, targets)
    assert report.pairs.within_20_percent > 0.99
    assert sum(errors.size for errors in report.errors.values()) == 2 * len(targets) * CHIP.total_rows * CHIP.lanes
    return time.process_time() - began


def test_four_tiles_of_keyword_spotting_take_ten_seconds_at_most():
    program = compile_network(KwsModel.load().network, CHIP)
    assert len(program.targets) == 4
    assert programming_s(make_chip(program), dict(program.targets)) < 10


@pytest.mark.long
def test_a_whole_chip_takes_ninety_seconds_at_most():
    chip = AnalogChip(
        AnalogConfig(), tiles=range(CHIP.tile_count), rows=CHIP.lanes, bias_rows=CHIP.bias_rows, columns=CHIP.lanes
    )
    weights = np.clip(np.random.default_rng(0).normal(0, 0.25, (CHIP.total_rows, CHIP.lanes)), -1, 1)
    targets = {tile: WeightTargets.balanced(weights) for tile in range(CHIP.tile_count)}
    assert programming_s(chip, targets) < 90
