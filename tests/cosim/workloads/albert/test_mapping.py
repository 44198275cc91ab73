"""The shared layer on one chip: every figure that the paper's text has of it, from the layout and its programs.

Source: Nat. Commun. 16, 8661 (2025), figure 2.
"""

import json
from dataclasses import asdict

import numpy as np
import pytest
from click.testing import CliRunner

from cosim.cli import main
from cosim.compiler.matrices import Layout
from cosim.fabric.checker import check_image
from cosim.files.json_text import to_json
from cosim.program import Mode
from cosim.workloads.albert.blocks import BLOCKS, block_of, pass_of
from cosim.workloads.albert.mapping import layer_layout, mapped, pieces

pytest.importorskip("ortools", reason="needs the extra [compile]")


@pytest.fixture(scope="module")
def layout() -> Layout:
    return layer_layout()


def test_counts(layout):
    found = mapped(layout)
    assert found.weights == 7_077_888
    assert found.devices == 28_311_552
    assert round(found.share, 3) == 0.794
    assert (found.pieces, found.tiles, found.joined) == (38, 34, 6)
    assert {phase.block: phase.weights for phase in found.phases} == {
        "inProj": 768 * 2304,
        "outProj": 768 * 768,
        "FC1": 768 * 3072,
        "FC2": 3072 * 768,
    }
    assert {phase.block: phase.pieces for phase in found.phases} == {"inProj": 10, "outProj": 4, "FC1": 12, "FC2": 12}
    assert {block.mode for block in layout.blocks.values()} == {Mode.BALANCED}


def test_four_phases_of_6600_ns(layout):
    """One entry each, between which the host chooses; 2, 1, 1 and 2 output slots behind four of integration."""
    found = mapped(layout)
    assert [phase.block for phase in found.phases] == ["inProj", "outProj", "FC1", "FC2"]
    assert [len(phase.entries) for phase in found.phases] == [1, 1, 1, 1]
    assert sorted(layout.images[0].entries) == sorted(phase.entries[0] for phase in found.phases)
    assert [phase.slots for phase in found.phases] == [2, 1, 1, 2]
    assert [phase.ns for phase in found.phases] == [1800, 1500, 1500, 1800]
    assert found.ns == 6600
    assert [phase.vectors_in for phase in found.phases][-1] == 6, "FC2 takes all six landing pads"
    check_image(layout.images[0])  # drives no wire twice, in any phase


def test_fc1_is_summed_in_pairs_and_nothing_else(layout):
    for name, block in layout.blocks.items():
        assert len(layout.seats[name].tiles) == (2 if block_of(block.matrix) == "FC1" else 1)
    assert len({layout.seats[name].tiles for name, block in layout.blocks.items() if block.matrix == "ffn"}) == 6


def test_tiles_are_full_or_half_full(layout):
    """Few are below one half, and several layer-blocks share some: figure 2i."""
    filled: dict[int, int] = {}
    blocks: dict[int, set[str]] = {}
    for piece in pieces(layout):
        filled[piece.tile] = filled.get(piece.tile, 0) + piece.weights
        blocks.setdefault(piece.tile, set()).add(piece.block)
    shares = np.array(list(filled.values())) / layout.config.lanes**2
    assert np.sum(shares == 1) >= len(shares) / 2
    assert np.sum(shares < 0.5) <= 3
    assert mapped(layout).shared == sum(len(one) > 1 for one in blocks.values()) >= 2
    assert any(len(one) == 2 for one in blocks.values())


def test_codes_have_seven_bits(layout):
    assert layout.timing.readout_bits == 7


def test_names():
    nodes = [f"encoder.albert_layer_groups.0.albert_layers.0.{part}/7" for parts in BLOCKS.values() for part in parts]
    assert [block_of(node) for node in nodes] == [block for block, parts in BLOCKS.items() for _ in parts]
    assert {pass_of(node) for node in nodes} == {7}
    assert block_of("pooler") == block_of("encoder.embedding_hidden_mapping_in") == ""


def test_command_shows_and_draws_it(layout, tmp_path):
    files = tmp_path / "map.json", tmp_path / "map.svg"
    options = ["--readout-bits", "8", "--json", str(files[0]), "--picture", str(files[1])]
    result = CliRunner().invoke(main, ["albert", "map", *options])
    assert result.exit_code == 0, result.output
    assert "38 pieces on 34 tiles" in " ".join(result.output.split())
    figures = json.loads(files[0].read_text())
    assert figures == json.loads(to_json(asdict(mapped(layout)))), "with codes of eight bits as well"
    picture = files[1].read_text()
    assert picture.count("<title>ffn 0:768") == 2 * 6, "both tiles of each pair"
    assert "7,077,888 weights, 79.4% of the devices" in picture
