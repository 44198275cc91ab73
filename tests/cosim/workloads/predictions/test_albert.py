"""ALBERT's jobs and operations follow from the length of a sequence."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from cosim.compiler.matrices import Layout, LayoutOptions, lay_out
from cosim.performance.constants import EnergyConstants
from cosim.performance.host import HostTiming
from cosim.performance.numbers import StandIn
from cosim.workloads.albert.blocks import BLOCKS
from cosim.workloads.glue import GlueError
from cosim.workloads.predictions.albert import LAYERS, AlbertSystem, placed_layer
from cosim.workloads.predictions.albert_report import albert_report
from cosim.workloads.predictions.albert_tasks import TaskLengths, task_lengths
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
    _, mean_code = report.needed["mean_code"]
    run = AlbertSystem(placed_layer(), StandIn(mean_code)).run(64, CONSTANTS)
    assert run.tops_w == pytest.approx(3, rel=0.01)


@pytest.mark.parametrize("name", ["column_uw", "chip_w"])
def test_three_tops_per_watt_take_what_is_said(layout: Layout, name: str) -> None:
    """Each constant alone, at the value that the report gives; the long test has the mean code, which more follows."""
    system = AlbertSystem(layout, StandIn(40.0))
    value, needed = albert_report(system, CONSTANTS, (64,)).needed[name]
    assert value == getattr(CONSTANTS.fitted, name)
    run = system.run(64, EnergyConstants(replace(CONSTANTS.fitted, **{name: needed})))
    assert run.tops_w == pytest.approx(3.0)


def test_tasks_take_what_their_sequences_take(layout: Layout) -> None:
    system = AlbertSystem(layout, StandIn(40.0))
    (task,) = albert_report(system, CONSTANTS, (64,), [TaskLengths("RTE", "RTE dev", (10, 20, 20))]).tasks
    ten, twenty = (system.run(tokens, CONSTANTS) for tokens in (10, 20))
    assert task.mean_tokens == pytest.approx(50 / 3)
    assert task.per_second == pytest.approx(3e9 / (ten.ns + 2 * twenty.ns))
    assert task.per_joule == pytest.approx(3 / (ten.joules + 2 * twenty.joules))
    assert min(ten.tops_w, twenty.tops_w) < task.tops_w < max(ten.tops_w, twenty.tops_w)


def test_lengths_are_tokens_of_the_judged_split(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = {"[UNK]": 0, "good": 1, "film": 2}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(GlueError, match="no folder of a task in it"):
        task_lengths(tmp_path, tmp_path)
    (tmp_path / "SST-2").mkdir()
    (tmp_path / "SST-2" / "dev.tsv").write_text(f"sentence\tlabel\ngood film\t1\n{'film ' * 200}\t0\n")
    (found,) = task_lengths(tmp_path, tmp_path)
    assert (found.task, found.source, found.tokens) == ("SST-2", "SST-2 dev", (2, 128))
