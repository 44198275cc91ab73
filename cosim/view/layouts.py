"""Pictures of a layout: which matrix sits where on a chip, how full its tiles are, and the ways of every call.

    draw_layout(layout, Path("chip0.svg"), chip=0)

SVG, as the pictures of routes, and as they made from the words: equal input gives equal bytes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from cosim.compiler.matrices import Layout
from cosim.compiler.words import STEP_CYCLES
from cosim.experiment import Experiment
from cosim.experiment.routes import Routes, Snapshot
from cosim.fabric.mesh_graph import Mesh
from cosim.files.archive import write_text
from cosim.files.wording import counted
from cosim.view.floorplan import GAP, LINE_HEIGHT, MARGIN, PITCH, TILE_SIZE, TOP, ChipDrawing, panel_size, px
from cosim.view.palette import PAPER
from cosim.view.panel import Panel
from cosim.view.pictures import route_colours

__all__ = ["draw_layout", "layout_svg"]

_ACROSS = 3  # panels side by side
_MIDDLE = STEP_CYCLES // 4  # a cycle of a step in which its pulses are on their way


def draw_layout(layout: Layout, path: Path, chip: int = 0, entries: Sequence[str] | None = None) -> None:
    """Draw one chip of a layout.

    The first panel has a rectangle for each block, in the colour of its matrix; of a stacked tile WP1 is the upper half
    and WP2 the lower one. Below each tile stands the share of its devices that are in use. The other panels are the
    ways of each call, while it integrates and in each readout.

    Parameters
    ----------
    layout : Layout
    path : Path
        SVG file to write.
    chip : int
    entries : sequence of str, optional
        Calls whose ways are drawn; by default all of the chip.

    Raises
    ------
    ValueError
        If the layout has no such chip or entry, or `path` does not end in .svg.
    """
    if path.suffix != ".svg":
        raise ValueError(f"{path}: pictures of layouts are SVG files, end the name in .svg")
    write_text(path, layout_svg(layout, chip, entries))


def layout_svg(layout: Layout, chip: int = 0, entries: Sequence[str] | None = None) -> str:
    """The text of the picture that `draw_layout` writes."""
    if not 0 <= chip < len(layout.frames):
        raise ValueError(f"the layout has chips 0 to {len(layout.frames) - 1}, got {chip}")
    shots = [
        shot for name in layout.frames[chip] if entries is None or name in entries for shot in _ways(layout, chip, name)
    ]
    unknown = [name for name in entries or () if name not in layout.frames[chip]]
    if unknown:
        raise ValueError(f"chip {chip} has no entry {unknown[0]!r}; it has {', '.join(layout.frames[chip])}")
    mesh = Mesh(layout.config)
    matrices = list(dict.fromkeys(block.matrix for block in layout.blocks_on(chip)))
    legend = max([-(-len(matrices) // 2), *(len(shot.sources) for _, shot in shots)])
    width, height = panel_size(layout.config.floorplan)
    width, height = width + GAP, height + (legend + 1) * LINE_HEIGHT
    across = min(1 + len(shots), _ACROSS)
    down = -(-(1 + len(shots)) // across)
    root = Xml.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "font-family": "sans-serif"})
    root.set("viewBox", f"0 0 {across * width} {down * height}")
    root.set("width", str(across * width))
    Xml.SubElement(root, "title").text = f"chip {chip}"
    Xml.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "white"})
    drawing = Xml.SubElement(Xml.SubElement(root, "defs"), "g", {"id": "chip"})
    ChipDrawing(drawing, mesh, PAPER).draw_chip()
    _Seats(Xml.SubElement(root, "g"), mesh, PAPER).draw(layout, chip, matrices)
    for number, (caption, shot) in enumerate(shots, start=1):
        place = {"transform": f"translate({number % across * width} {number // across * height})"}
        Panel(Xml.SubElement(root, "g", place), shot, PAPER, route_colours([shot], PAPER)).draw(caption)
    Xml.indent(root, " ")
    return Xml.tostring(root, encoding="unicode") + "\n"


def _ways(layout: Layout, chip: int, entry: str) -> Iterator[tuple[str, Snapshot]]:
    """The mesh while an entry integrates, and in each of its readouts."""
    frame = layout.frames[chip][entry]
    routes = Routes(Experiment.of_program(layout.programs[chip][entry], name=entry))
    yield f"{entry}: inputs", routes.at(_MIDDLE)
    for step in range(frame.readout_steps):
        yield f"{entry}: outputs {step + 1}", routes.at((frame.integration_steps + step) * STEP_CYCLES + _MIDDLE)


class _Seats(ChipDrawing):
    """The panel of blocks."""

    def draw(self, layout: Layout, chip: int, matrices: Sequence[str]) -> None:
        self.draw_chip()
        used = dict.fromkeys(range(self.config.tile_count), 0)
        weights = dict.fromkeys(matrices, 0)
        scale = TILE_SIZE / self.config.lanes
        for block in layout.blocks_on(chip):
            seat = layout.seats[block.name]
            weights[block.matrix] += block.shape[0] * block.shape[1]
            for part in layout.parts(block.name):
                rows = part.rows[1] - part.rows[0]
                used[part.tile] += rows * block.shape[1] * (1 if part.pair is not None else 2)
                half = 1.0 if part.pair is None else 0.5
                x, y = self.centre(self.plan.tiles[part.tile])
                left = x - TILE_SIZE / 2 + scale * seat.column
                top = y - TILE_SIZE / 2 + half * scale * part.at + (TILE_SIZE / 2 if part.pair == 1 else 0)
                size = scale * seat.step * block.shape[1], half * scale * rows
                box = self.box(
                    (left + size[0] / 2, top + size[1] / 2),
                    *size,
                    fill=_colour(matrices.index(block.matrix)),
                    stroke="white",
                )
                Xml.SubElement(box, "title").text = f"{block.name}, {block.mode.value}"
        for tile, square in enumerate(self.plan.tiles):
            share = used[tile] / (2 * self.config.lanes**2)
            x, y = self.centre(square)
            self.text((x, y + PITCH / 2 - 1), f"{tile}: {share:.0%}", 6, self.palette.faint, "middle")
        share = sum(used.values()) / (2 * self.config.lanes**2 * self.config.tile_count)
        self.text(
            (MARGIN, 18), f"chip {chip}: {counted(sum(weights.values()), 'weight')}, {share:.1%} of the devices", 13
        )
        for number, matrix in enumerate(matrices):
            column, row = number % 2, number // 2
            x, y = MARGIN + column * 190, TOP + self.plan.rows * PITCH + 16.0 + row * LINE_HEIGHT
            self.box((x + 6, y - 3.5), 12, 9, fill=_colour(number))
            self.text((x + 18, y), f"{matrix}, {weights[matrix]:,}", 9)


def _colour(number: int) -> str:
    """Hues a golden section apart, so that neighbours in the list differ."""
    return f"hsl({px(number * 222.5 % 360)} 55% {(70, 58, 80)[number % 3]}%)"
