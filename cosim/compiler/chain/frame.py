"""Which step of the frame does what: modes, phases, readouts."""

from dataclasses import dataclass

from cosim.compiler.chain.options import MappingOptions
from cosim.compiler.errors import MappingError
from cosim.files.wording import counted
from cosim.graph.feed_forward import Activation, FeedForwardNetwork
from cosim.program import Mode
from rtl.config import ChipConfig

__all__ = ["Frame", "Phase", "plan_frame"]


@dataclass(frozen=True)
class Phase:
    """One integration of a layer.

    Parameters
    ----------
    step : int
    wp1, wp2, discharge : bool
        As in the ARRAY bank.
    sign : int
        Which inputs are sent: the positive or the negative ones (first layer; 1 for all others).
    slices : tuple of int
        Slice of the network's input for each of the layer's tiles (first layer only); slice n begins at n x lanes.
    """

    step: int
    wp1: bool
    wp2: bool
    discharge: bool
    sign: int = 1
    slices: tuple[int, ...] = ()


@dataclass(frozen=True)
class Frame:
    """What happens in the steps of a frame.

    Parameters
    ----------
    modes : tuple of Mode
        Of each layer.
    tile_counts : tuple of int
        Tiles of each layer, 1 or 2.
    phases : tuple of tuple of Phase
        Integrations of each layer.
    readouts : tuple of tuple of int
        Steps in which each layer is read out.
    period : int
        Steps from one frame to the next. An overlapped readout is in step `period`.
    """

    modes: tuple[Mode, ...]
    tile_counts: tuple[int, ...]
    phases: tuple[tuple[Phase, ...], ...]
    readouts: tuple[tuple[int, ...], ...]
    period: int


def plan_frame(network: FeedForwardNetwork, config: ChipConfig, options: MappingOptions) -> Frame:
    """Choose the layers' modes and lay their phases into steps.

    Raises
    ------
    MappingError
        If a layer has too many rows or columns, a hidden layer is linear, or the frame is too short.
    """
    _check_shapes(network, config, options)
    modes = _modes(network, config, options)
    tile_counts = tuple(
        -(-layer.inputs // (2 * config.lanes if mode is Mode.STACKED else config.lanes))
        for layer, mode in zip(network.layers, modes, strict=True)
    )
    phases = [_first_phases(modes[0], tile_counts[0])]
    step = len(phases[0])
    for mode in modes[1:]:
        phases.append(tuple(Phase(step + i, *read) for i, read in enumerate(_READS[mode])))
        step += len(phases[-1])
    # A layer is read out while the next one integrates; the last one after all others.
    readouts = [tuple(phase.step for phase in following) for following in phases[1:]]
    period = step if options.overlapped else step + 1
    return Frame(modes, tile_counts, tuple(phases), (*readouts, (step,)), period)


#: (wp1, wp2, discharge) of the phases for a positive input: -W on WP2 takes the other polarity.
_READS = {
    Mode.BALANCED: ((True, False, False), (False, True, True)),
    Mode.DOUBLE: ((True, True, False),),
    Mode.STACKED: ((True, False, False), (False, True, False)),
}


def _first_phases(mode: Mode, tiles: int) -> tuple[Phase, ...]:
    phases: list[Phase] = []
    for wp1, wp2, discharge in _READS[mode]:
        first = tiles if mode is Mode.STACKED and wp2 else 0
        slices = tuple(range(first, first + tiles))
        for sign in (1, -1):
            phases.append(Phase(len(phases), wp1, wp2, discharge ^ (sign < 0), sign, slices))
    return tuple(phases)


def _check_shapes(network: FeedForwardNetwork, config: ChipConfig, options: MappingOptions) -> None:
    lanes, count = config.lanes, len(network.layers)
    for index, layer in enumerate(network.layers):
        if layer.outputs > lanes:
            raise MappingError(
                f"layer {index} has {counted(layer.outputs, 'output')}, a tile has {counted(lanes, 'column')}"
            )
        limit, holder = (lanes, "a tile has") if index else (4 * lanes, "a vertical pair with 2 PCM per weight sums")
        if layer.inputs > limit:
            raise MappingError(f"layer {index} has {counted(layer.inputs, 'input')}, {holder} {counted(limit, 'row')}")
        if index < count - 1 and layer.activation is not Activation.RELU:
            raise MappingError(
                f"layer {index} is {layer.activation}; hidden layers must be relu, for between tiles pass only "
                "durations, and those are never negative"
            )
    for name, known in (("layers", options.layers), ("placement", options.placement)):
        for index in known:
            if not 0 <= index < count:
                raise MappingError(f"options.{name} names layer {index}, the network has layers 0 to {count - 1}")
    if options.overlapped and count < 2:
        raise MappingError("overlapped frames need two layers: a single one cannot integrate while it is read out")


def _possible(index: int, rows: int, lanes: int, options: MappingOptions) -> tuple[Mode, ...]:
    """Modes that a layer can have, the shortest first."""
    asked = options.layer(index).mode
    if asked is None:
        if rows > 2 * lanes:
            return (Mode.STACKED,)
        return (Mode.DOUBLE, Mode.BALANCED) if options.balance else (Mode.DOUBLE,)
    least, most = (lanes + 1, 4 * lanes) if asked is Mode.STACKED else (1, 2 * lanes)
    if not least <= rows <= most:
        raise MappingError(f"layer {index} with {rows} inputs cannot be {asked}: that takes {least} to {most} rows")
    return (asked,)


def _cost(index: int, mode: Mode) -> int:
    """Integration steps of a layer: the first one takes the signs apart."""
    return len(_READS[mode]) * (1 if index else 2)


def _modes(network: FeedForwardNetwork, config: ChipConfig, options: MappingOptions) -> tuple[Mode, ...]:
    choices = [_possible(index, layer.inputs, config.lanes, options) for index, layer in enumerate(network.layers)]
    modes = [choice[0] for choice in choices]
    budget = options.steps + (1 if options.overlapped else 0)
    needed = 1 + sum(_cost(index, mode) for index, mode in enumerate(modes))
    if needed > budget:
        parts = ", ".join(f"layer {index} {_cost(index, mode)}" for index, mode in enumerate(modes))
        raise MappingError(
            f"the frame needs {counted(needed, 'step')} ({parts}, readout 1), it may have {budget}; raise options.steps"
        )
    for index, choice in enumerate(choices):
        more = _cost(index, choice[-1]) - _cost(index, modes[index])
        if needed + more <= budget:
            modes[index] = choice[-1]
            needed += more
    return tuple(modes)
