"""The generated pages are those that the code generates."""

import re
from pathlib import Path

import pytest

from rtl.config import preset
from rtl.docs import PAGES, floor_map, instruction_set

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_committed_page_is_what_the_code_generates(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), f"docs/{name} is stale: run `make docs`"


def test_instruction_page_places_fields_where_the_word_has_them() -> None:
    """Bit positions typed by hand from the specification of the word."""
    page = instruction_set(preset())
    for line in ("`wait` | [123:112]", "`mode` | [127:124]", "`ramp_slope` | [16:9]", "`net_to_columns` | [41:39]"):
        assert line in page
    # mode 1, wait 254; integrate is bit 1, wp1 bit 2, capacitors = 5 from bit 5 on
    assert f"0x{1 << 124 | 254 << 112 | 5 << 5 | 1 << 2 | 1 << 1:032X}" in page


def test_instruction_page_counts_the_control_signals() -> None:
    page = instruction_set(preset())
    for line in ("| MESH | 42 | 14 switches x 512 lanes: 7,168 enables", "| BIAS | 64 | pulses of 8", "| all | 157 |"):
        assert line in page


def test_every_link_of_a_generated_page_leads_somewhere() -> None:
    for page in PAGES.values():
        for target, anchor in re.findall(r"\]\(([\w.-]+)#([\w-]+)\)", page()):
            headings = re.findall(r"^#+ (.+)$", (DOCS / target).read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [heading.lower().replace(" ", "-") for heading in headings]


def test_the_map_shows_every_tile_and_pad_in_its_place() -> None:
    head, *rows = floor_map(preset()).splitlines()
    assert len(head.split()) == 12
    assert rows[2].split() == ["row", "2", "ILP", "CW", "12", "13", "hole", "14", "15", "16", "ILP", "CE"]
    assert rows[5].split() == ["row", "5", "OLP", "SW", *map(str, range(28, 34)), "OLP", "SE"]
