"""Every chip's frame on the RTL and on the twin, with activations that full-width weights give for a sound."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.programming import program
from cosim.compiler.matrices import Layout
from cosim.engines.rtl import RtlEngine
from cosim.engines.twin import TwinEngine
from cosim.system.products import NodeProducts
from cosim.system.scheduler import results_of
from cosim.workloads.rnnt.mapping import paper_layout
from cosim.workloads.rnnt.model import RnntModel
from cosim.workloads.rnnt.network import RnntNetwork

FRAMES, SECONDS = 8, 0.6
#: Of random weights a blank hardly ever comes: two symbols a step are enough.
MOST = 2


@pytest.fixture(scope="module")
def layout() -> Layout:
    return paper_layout()


@pytest.fixture(scope="module")
def model() -> RnntModel:
    return RnntModel(RnntNetwork.random(seed=14))


@pytest.fixture(scope="module")
def heard(model) -> Mapping[str, NDArray[np.int16]]:
    """Codes of the last eight inputs of every matrix, (8, inputs): the largest is the longest pulse."""
    seen: dict[str, list[NDArray]] = {}

    def product(node: str, x: NDArray) -> NDArray:
        seen.setdefault(node, []).append(x)
        return model.network.linears[node].run(x)[0]

    sound = np.random.default_rng(3).standard_normal(round(16_000 * SECONDS)) * 0.1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cosim.workloads.rnnt.model.SYMBOLS", MOST)
        results_of([model.transcribed(model.weights.front_end(sound))], NodeProducts(product))
    last = {node: np.array(inputs[-FRAMES:]) for node, inputs in seen.items()}
    return {node: np.rint(255 * x / np.abs(x).max()).astype(np.int16) for node, x in last.items()}


@pytest.mark.long
@pytest.mark.chip
@pytest.mark.parametrize("number", range(5))
def test_the_rtl_s_codes_are_the_twin_s(layout, model, heard, number):
    config, image = layout.config, layout.images[number]
    weights = {}
    for block in layout.blocks_on(number):
        matrix = model.network.matrices[block.matrix].weights
        tall = np.tile(matrix, (layout.copies.get(block.matrix, 1), 1))
        weights[block.name] = tall[slice(*block.rows), slice(*block.columns)] / np.abs(matrix).max()
    targets = layout.targets(number, weights)
    chip = AnalogChip(
        AnalogConfig(),
        tiles=tuple(targets),
        pairs=dict(config.floorplan.capacitor_pairs()),
        rows=config.lanes,
        bias_rows=config.bias_rows,
        columns=config.lanes,
        seed=1,
        chip=number,
    )
    program(chip, targets, joined=layout.joined(number))
    ((call,),) = ([one for one in calls if one.chip == number] for calls in layout.calls.values() if _on(calls, number))
    codes = np.zeros((FRAMES, image.entry(call.entry).input_width), np.int16)
    for part in call.inputs:
        tall = np.tile(heard[part.matrix], layout.copies.get(part.matrix, 1))
        codes[:, part.at : part.at + part.rows[1] - part.rows[0]] = tall[:, slice(*part.rows)]
    found = []
    for engine in (TwinEngine(), RtlEngine(config)):
        with engine.open(image, chip) as session:
            found.append(session.run(call.entry, codes, np.arange(FRAMES)))
    twin, rtl = found
    assert len(twin) == (18, 18, 18, 17, 6)[number]
    for name, mine in twin.items():
        assert np.array_equal(mine, rtl[name]), name
        assert len(np.unique(mine)) > 10, name


def _on(calls, number):
    return any(call.chip == number for call in calls)
