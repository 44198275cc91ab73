"""Pictures of the floorplan: tiles, holes, power domains, pads, and what moves over the mesh in some cycles of a run.

    draw_routes(experiment, Path("routes.svg"))                  # every step of the run
    draw_routes(experiment, Path("routes.svg"), {25: "multicast"})  # one cycle, with a caption

SVG, because it stays sharp at any size, a browser shows it, and equal input gives equal bytes: a test can compare. In
a browser, a tile's tooltip is its switches.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from cosim.experiment import Experiment
from cosim.experiment.routes import Routes, Snapshot
from cosim.fabric.mesh_graph import Mesh, Place
from cosim.files.archive import write_text
from cosim.view.floorplan import GAP, LINE_HEIGHT, ChipDrawing, panel_size, px
from cosim.view.palette import PAPER, Palette
from cosim.view.panel import Panel
from cosim.view.tile_use import TileUse

__all__ = ["draw_routes", "layered_svg", "route_colours", "routes_svg"]

_ACROSS = 3  # panels side by side


def draw_routes(experiment: Experiment, path: Path, cycles: Sequence[int] | Mapping[int, str] | None = None) -> None:
    """Draw the routes of an experiment on the chip's floorplan.

    A colour is the vector of one source; a dashed line carries some of its lanes, and the pattern of the switch that
    chose them stands beside it; a bar across a line's end is a shut borderguard. Grey lines are switches that are on
    while nothing passes them. In each tile, the bar on the left are its rows, the bar at the bottom its columns.

    Parameters
    ----------
    experiment : Experiment
    path : Path
        SVG file to write.
    cycles : sequence of int, or mapping of int to caption, optional
        Cycles of the program, one panel for each. By default one panel for each picture (`Routes.pictures`).

    Raises
    ------
    ValueError
        If a cycle is not one of the run's, or `path` does not end in .svg.
    """
    if path.suffix != ".svg":
        raise ValueError(f"{path}: pictures of routes are SVG files, end the name in .svg")
    write_text(path, routes_svg(experiment, cycles))


def routes_svg(experiment: Experiment, cycles: Sequence[int] | Mapping[int, str] | None = None) -> str:
    """The text of the picture that `draw_routes` writes."""
    routes = Routes(experiment)
    cycles = cycles or routes.pictures() or [0]
    captions = cycles if isinstance(cycles, Mapping) else dict.fromkeys(cycles, "")
    snapshots = [routes.at(cycle) for cycle in captions]
    colours = route_colours(snapshots, PAPER)
    plan = experiment.config.floorplan
    legend = max((len(shot.sources) for shot in snapshots), default=0)
    width, height = panel_size(plan)
    width, height = width + GAP, height + legend * LINE_HEIGHT
    across = 2 if len(snapshots) == 4 else min(len(snapshots), _ACROSS)
    down = -(-len(snapshots) // across)
    root = Xml.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "font-family": "sans-serif"})
    root.set("viewBox", f"0 0 {across * width} {down * height}")
    root.set("width", str(across * width))
    Xml.SubElement(root, "title").text = experiment.name
    Xml.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "white"})
    chip = Xml.SubElement(Xml.SubElement(root, "defs"), "g", {"id": "chip"})
    ChipDrawing(chip, Mesh(experiment.config), PAPER).draw_chip()
    for index, (snapshot, caption) in enumerate(zip(snapshots, captions.values(), strict=True)):
        place = {"transform": f"translate({index % across * width} {index // across * height})"}
        Panel(Xml.SubElement(root, "g", place), snapshot, PAPER, colours).draw(caption)
    Xml.indent(root, " ")
    return Xml.tostring(root, encoding="unicode") + "\n"


def route_colours(snapshots: Iterable[Snapshot], palette: Palette) -> dict[Place, str]:
    """A colour for each source, the same in all snapshots."""
    sources = sorted({source for shot in snapshots for source in shot.sources}, key=lambda place: place[:2])
    return {source: palette.routes[index % len(palette.routes)] for index, source in enumerate(sources)}


def layered_svg(snapshots: Sequence[Snapshot], uses: Mapping[int, TileUse], palette: Palette) -> Xml.Element:
    """One picture of the chip, with a layer for each snapshot, for a page that shows one of them at a time.

    Group number i of class ``step`` has ``data-step="i"``, from 1 on. Above them lies a rectangle of class ``unit`` for
    each tile and landing pad, with ``data-unit="TILE 7"``: what a pointer or a keyboard finds.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        At least one.
    uses : mapping of tile index to TileUse
        What to mark in the tiles: which part of the array holds weights.
    palette : Palette
    """
    mesh = snapshots[0].state.mesh
    root = Xml.Element("svg", {"font-family": "sans-serif"})
    chip = ChipDrawing(Xml.SubElement(root, "g"), mesh, palette, uses)
    chip.draw_chip()
    left, top, right, bottom = chip.bounds()
    root.set("viewBox", f"{px(left)} {px(top)} {px(right - left)} {px(bottom - top)}")
    colours = route_colours(snapshots, palette)
    for number, snapshot in enumerate(snapshots, start=1):
        group = Xml.SubElement(root, "g", {"class": "step", "data-step": str(number)})
        Panel(group, snapshot, palette, colours, uses).draw_moves()
    ChipDrawing(Xml.SubElement(root, "g"), mesh, palette, uses).draw_handles()
    return root
