"""The smallest chip that has every kind of unit: the proofs' configuration."""

from rtl.config import ChipConfig, Edge, Floorplan, PadSite

__all__ = ["TINY"]

#: Two tiles between an ILP and an OLP; vectors of eight codes fill one host beat.
TINY = ChipConfig(
    floorplan=Floorplan(
        rows=1,
        columns=2,
        holes=frozenset(),
        domains=("A",),
        ilp_sites=(PadSite((0, 0), Edge.WEST),),
        olp_sites=(PadSite((0, 1), Edge.EAST),),
    ),
    lanes=8,
    bias_rows=1,
    ilp_vectors=4,
    olp_vectors=4,
    program_depth=4,
    pad_program_depth=4,
    loop_levels=1,
)
