"""Other chips than the paper's, each by one change; they are laid out and counted like every other."""

from dataclasses import replace

from analog_models.config import AnalogConfig
from cosim.files.errors import UserError
from cosim.files.wording import counted
from rtl.config import ChipConfig, Edge, PadSite

__all__ = ["WhatIfError", "with_conductance", "with_lanes", "with_pads"]


class WhatIfError(UserError, ValueError):
    """A chip cannot be changed so; the message says what can be."""


def with_pads(config: ChipConfig, domains: int) -> ChipConfig:
    """The chip with more landing pads, an input and an output one for each domain, on free edges of its outer tiles.

    Raises
    ------
    WhatIfError
        If they do not fit, or there would be fewer than there are.
    """
    plan = config.floorplan
    taken = {*plan.ilp_sites, *plan.olp_sites}
    edges = (PadSite(square, edge) for square in plan.tiles for edge in Edge if _outer(config, square, edge))
    free = [site for site in edges if site not in taken]
    more = domains - config.domain_count
    if not 0 <= more <= len(free) // 2:
        raise WhatIfError(
            f"{counted(domains, 'pad')} of each kind: this chip has {config.domain_count}, and room for "
            f"{config.domain_count + len(free) // 2}"
        )
    # Inputs and outputs in turn, so that both come to all sides.
    names = tuple(f"X{number}" for number in range(more))
    spread = free[:: max(len(free) // max(2 * more, 1), 1)][: 2 * more]
    floorplan = replace(
        plan,
        domains=(*plan.domains, *names),
        ilp_sites=(*plan.ilp_sites, *spread[::2]),
        olp_sites=(*plan.olp_sites, *spread[1::2]),
    )
    return replace(config, floorplan=floorplan)


def _outer(config: ChipConfig, square: tuple[int, int], edge: Edge) -> bool:
    row, column = square[0] + edge.step[0], square[1] + edge.step[1]
    plan = config.floorplan
    return not (0 <= row < plan.rows and 0 <= column < plan.columns)


def with_lanes(config: ChipConfig, lanes: int) -> ChipConfig:
    """The chip with tiles of so many rows and columns.

    Raises
    ------
    WhatIfError
        If the chip cannot have so many.
    """
    try:
        return replace(config, lanes=lanes)
    except ValueError as error:
        raise WhatIfError(str(error)) from None


def with_conductance(analog: AnalogConfig, factor: float) -> AnalogConfig:
    """Devices whose conductances are all so many times as large; mirrors are made for them, so that codes stay.

    Raises
    ------
    WhatIfError
        If a conductance leaves its range.
    """
    pcm, periphery = analog.pcm, analog.periphery
    try:
        return replace(
            analog,
            pcm=replace(
                pcm,
                g_max_us=factor * pcm.g_max_us,
                g_set_us=factor * pcm.g_set_us,
                g_reset_us=factor * pcm.g_reset_us,
            ),
            periphery=replace(periphery, mirror_ratio=periphery.mirror_ratio / factor),
        )
    except ValueError as error:
        raise WhatIfError(f"conductances times {factor:g}: {error}") from None
