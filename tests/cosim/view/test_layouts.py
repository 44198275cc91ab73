"""Pictures of layouts: every block in its tile, every way that a call uses."""

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from cosim.compiler.matrices import Layout, LayoutOptions, MatrixOptions, lay_out
from cosim.program import Mode
from cosim.view.layouts import draw_layout, layout_svg
from rtl.config import preset

_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def layout() -> Layout:
    options = LayoutOptions(chips=1, matrices={"b": MatrixOptions(mode=Mode.STACKED)})
    return lay_out({"a": (20, 16), "b": (20, 12)}, [("a",), ("b",)], options, preset("small"))


def test_every_block_has_a_rectangle_of_its_size(layout: Layout, tmp_path: Path) -> None:
    draw_layout(layout, tmp_path / "chip.svg")
    root = Xml.parse(tmp_path / "chip.svg").getroot()
    areas: dict[str, float] = {}
    for box in root.iter(f"{_SVG}rect"):
        title = box.find(f"{_SVG}title")
        if title is not None and "," in (title.text or "") and title.text.split(",")[0] in layout.blocks:
            name = title.text.split(",")[0]
            areas[name] = areas.get(name, 0) + float(box.get("width")) * float(box.get("height"))
    scale = (54 / 16) ** 2
    for name, block in layout.blocks.items():
        cells = block.shape[0] * block.shape[1] * (0.5 if block.mode is Mode.STACKED else 1)
        assert areas[name] == pytest.approx(cells * scale, rel=0.01)


def test_utilisation_and_captions_are_those_of_the_layout(layout: Layout) -> None:
    text = layout_svg(layout)
    share = (2 * 20 * 16 + 20 * 12) / (4 * 2 * 256)
    assert f"chip 0: 560 weights, {share:.1%} of the devices" in text
    steps = sum(1 + frame.readout_steps for frame in layout.frames[0].values())
    assert text.count("inputs</text>") + text.count("outputs ") == steps
    assert text == layout_svg(layout)
    one = layout_svg(layout, entries=["b"])
    assert "a: inputs" not in one
    assert "b: inputs" in one


def test_what_is_not_there_is_refused(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the layout has chips 0 to 0, got 3"):
        layout_svg(layout, chip=3)
    with pytest.raises(ValueError, match="chip 0 has no entry 'x'; it has a, b"):
        layout_svg(layout, entries=["x"])
    with pytest.raises(ValueError, match=r"end the name in \.svg"):
        draw_layout(layout, tmp_path / "chip.png")
