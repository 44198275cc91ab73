"""ALBERT's jobs and operations follow from the length of a sequence."""

from collections import Counter
from dataclasses import replace

import pytest

from cosim.compiler.matrices import Layout, LayoutOptions, lay_out
from cosim.performance.constants import EnergyConstants
from cosim.performance.host import HostTiming
from cosim.performance.numbers import StandIn
from cosim.workloads.albert.blocks import BLOCKS
from cosim.workloads.predictions.albert import LAYERS, AlbertSystem, placed_layer
from cosim.workloads.predictions.albert_report import albert_report
from rtl.config import preset

CONSTANTS = EnergyConstants.nominal()
#: Four calls need words.
SMALL = replace(preset("small"), program_depth=512, pad_program_depth=512)


@pytest.fixture(scope="module")
def layout() -> Layout:
    """A small layer in the place of ALBERT's."""
    shapes = {part: (8, 8) for parts in BLOCKS.values() for part in parts}
    return lay_out(shapes, list(BLOCKS.values()), LayoutOptions(chips=1), SMALL)


def test_layer_blocks_take_turns(layout: Layout) -> None:
    """All tokens through one, and what is behind it, before the next one begins."""
    system = AlbertSystem(layout, StandIn(40.0), host=HostTiming(layer_ns=100.0))
    run = system.run(5, CONSTANTS)
    behind = 100 + 4 * 100  # attention, for which all tokens wait; then one token after the other
    assert run.ns > LAYERS * 5 * sum(system.block_ns()) + LAYERS * behind
    spans = run.timing.spans(["chip"])["chip"]
    assert len(spans) == 2 * 5 * len(BLOCKS)
    assert [name for _, _, name in spans] == [name for _ in range(2) for name in BLOCKS for _ in range(5)]


def test_a_pipeline_takes_less_time_and_energy(layout: Layout) -> None:
    alone, together = (AlbertSystem(layout, StandIn(40.0), pipelined=one).run(8, CONSTANTS) for one in (False, True))
    assert together.ns < alone.ns
    assert together.chip_j < alone.chip_j
    assert together.operations == alone.operations


def test_attention_grows_with_the_square(layout: Layout) -> None:
    system = AlbertSystem(layout, StandIn(40.0))
    short, long = (sum(system.host_operations(tokens), Counter[str]()) for tokens in (64, 128))
    assert long["attention"] > 3.5 * short["attention"]
    for kind in ("gelu", "LayerNorm", "residual sums", "affine"):
        assert long[kind] == 2 * short[kind]


@pytest.mark.long
def test_what_is_predicted_of_the_paper_s_chip() -> None:
    """Blind: near 3 TOPS/W, 98 % of the operations at 64 tokens, and more than 95 % of the energy."""
    report = albert_report(AlbertSystem(placed_layer(), StandIn(CONSTANTS.fitted.mean_code)), CONSTANTS, (64,))
    assert [entry.frame_ns for entry in report.entries] == [1800, 1500, 1500, 1800]
    figures = {one.what: one for one in report.predictions}
    assert figures["system, 64 tokens"].value == pytest.approx(3, rel=0.07)
    assert figures["operations on the chip, 64 tokens"].value == pytest.approx(98, abs=0.5)
    assert figures["energy of the chip, least of 10 to 128 tokens"].value > 95
