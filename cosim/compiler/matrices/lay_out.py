"""From the shapes of matrices to their layout on chips: modes, packing, placement, calls."""

from collections.abc import Mapping, Sequence

from cosim.compiler.errors import MappingError
from cosim.compiler.matrices.assembly import Assembly
from cosim.compiler.matrices.blocks import sheets_of
from cosim.compiler.matrices.choice import packings, shortage
from cosim.compiler.matrices.layout import Layout
from cosim.compiler.matrices.options import LayoutOptions
from cosim.compiler.matrices.placement import place
from cosim.compiler.matrices.ways import Ways
from cosim.fabric.checker import check_image
from cosim.files.wording import counted
from cosim.isa.assembler import program_depth
from rtl.config import ChipConfig

__all__ = ["lay_out"]


def lay_out(
    shapes: Mapping[str, tuple[int, int]],
    waves: Sequence[tuple[str, ...]],
    options: LayoutOptions,
    config: ChipConfig,
) -> Layout:
    """Put matrices onto chips.

    Parameters
    ----------
    shapes : mapping of str to (inputs, outputs)
    waves : sequence of tuple of str
        Matrices that are due at once.
    options : LayoutOptions
    config : ChipConfig

    Raises
    ------
    MappingError
        If they do not fit; the message says what is short.
    MissingPackage
        If ways need a solver that is not there.
    """
    waves = list(dict.fromkeys(waves))
    for name in (name for wave in waves for name in wave):
        if name not in shapes or min(shapes[name]) < 1:
            raise MappingError(f"matrix {name!r} needs a shape (inputs, outputs), got {shapes.get(name)}")
    sheets = sheets_of(shapes, waves, options)
    if not sheets:
        raise MappingError("no matrix is to go onto a chip; expected at least one in the waves that is not the host's")
    ways, short = Ways(config), ""
    for packed in packings(sheets, options, config):
        placed = [place(spots, ways, options.effort, options.solver_s) for spots in packed]
        layout = Assembly(sheets, waves, options, config).layout(placed)
        short = _short_of_words(layout)
        if not short:
            for image in layout.images:
                check_image(image)
            return layout
    raise MappingError(short or shortage(sheets, options.chips or 1, config))


def _short_of_words(layout: Layout) -> str:
    """Which unit's SRAM is too small for the entries of its chip, if any is."""
    for chip, entries in enumerate(layout.programs):
        lead = 1 if len(entries) > 1 else 0
        for unit in dict.fromkeys(unit for program in entries.values() for unit in program.units):
            words = lead + sum(len(program.units.get(unit, ())) for program in entries.values())
            depth = program_depth(unit.kind, layout.config)
            if words > depth:
                return (
                    f"{unit} of chip {chip} needs {counted(words, 'word')} for the chip's "
                    f"{counted(len(entries), 'call')}, its SRAM holds "
                    f"{depth}; give more chips, or leave matrices to the host"
                )
    return ""
