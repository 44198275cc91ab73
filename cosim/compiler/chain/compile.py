"""From a feed-forward network to a `Program`: modes, placement, routes, scales, and the words of every unit.

A frame is a row of steps of 300 ns. The first layer takes one step for each (pair of devices, sign of the input);
each later layer integrates while the layer before it is read out, once or, with asymmetry balance, twice; the last step
reads the output. For 1,024-512-512-12 in the strict frame of 2.4 us:

====  ==================================  ==============================
step  integrates                          is read out
====  ==================================  ==============================
1     layer 0: x+ on WP1, charge
2     layer 0: x- on WP1, discharge
3     layer 0: x+ on WP2, discharge
4     layer 0: x- on WP2, charge
5     layer 1: on WP1, charge             layer 0, also to an OLP
6     layer 1: on WP2, discharge          layer 0 again
7     layer 2: on WP1 and WP2, charge     layer 1, also to an OLP
8                                         layer 2, to an OLP
====  ==================================  ==============================

With `overlapped` the output layer is balanced as well (steps 7 and 8) and its readout falls into step 1 of the next
frame: the period still is 8 steps, the latency 9. When within a step things happen is in `cosim.compiler.chain.emit`.

Source: Nature 620, 768 (2023), Fig. 3 and Methods: four tiles, 8 steps of 300 ns, four steps for the first layer and
two for the second. The paper does not say how the output fits in; both variants are our reading.
"""

from itertools import product

from analog_models.programming import WeightTargets
from cosim.compiler.chain.emit import PadUse, write_programs
from cosim.compiler.chain.frame import Frame, plan_frame
from cosim.compiler.chain.options import MappingOptions
from cosim.compiler.chain.placement import Placement, place
from cosim.compiler.chain.scales import Site, layer_targets, longest_duration, plan_layer
from cosim.compiler.words import STEP_CYCLES, frames_per_run
from cosim.fabric.checker import check
from cosim.graph.feed_forward import FeedForwardNetwork
from cosim.program import InputSlot, OutputSlot, Program
from rtl.config import ChipConfig

__all__ = ["compile_network"]


def compile_network(network: FeedForwardNetwork, config: ChipConfig, options: MappingOptions | None = None) -> Program:
    """Map `network` to a chip.

    Raises
    ------
    MappingError
        If a layer has too many rows or columns for the tiles, the network too many layers for the chip or the frame, or
        no placement can be routed.
    """
    options = options or MappingOptions()
    frame = plan_frame(network, config, options)
    placement = place(frame, config, options)
    plans = []
    duration = longest_duration(config, options)
    unit_ns = float(duration)
    for index, layer in enumerate(network.layers):
        site = Site(index, frame.modes[index], placement.tiles[index], placement.readers[index], unit_ns)
        plan = plan_layer(layer, site, config, options)
        plans.append(plan)
        unit_ns = plan.code_scale
    inputs = _inputs(network, frame, placement, config)
    outputs = _outputs(network, placement)
    frames = frames_per_run(inputs, outputs, options.frames_per_run, config)
    written = write_programs(frame, placement, plans, PadUse(inputs, outputs, frames), duration, config)
    targets: dict[int, WeightTargets] = {}
    for layer, plan in zip(network.layers, plans, strict=True):
        targets |= layer_targets(layer, plan, config)
    program = Program(
        config=config,
        frame_cycles=frame.period * STEP_CYCLES,
        frames_per_run=frames,
        units=written.units,
        inputs=inputs,
        outputs=outputs,
        layers=tuple(plans),
        targets=targets,
        origins=written.origins,
        masks=written.masks,
        duration=duration,
    )
    check(program)
    return program


def _inputs(
    network: FeedForwardNetwork, frame: Frame, placement: Placement, config: ChipConfig
) -> tuple[InputSlot, ...]:
    """Slices of the input, each as two vectors: the positive entries and the negative ones."""
    lanes, width, tiles = config.lanes, network.layers[0].inputs, len(placement.ilps)
    slices = sorted({number for phase in frame.phases[0] for number in phase.slices})
    slots = []
    for number, sign in product(slices, (1, -1)):
        first = min(number * lanes, width)
        slots.append(
            InputSlot(
                ilp=placement.ilps[number % tiles],
                slot=2 * (number // tiles) + (sign < 0),
                stride=2 * len(slices) // tiles,
                slice=number,
                first=first,
                count=min(lanes, width - first),
                sign=sign,
            )
        )
    return tuple(slots)


def _outputs(network: FeedForwardNetwork, placement: Placement) -> tuple[OutputSlot, ...]:
    """Every observed layer; an OLP stores its results in the order of the layers."""
    heard = list(placement.olps.values())
    outputs: list[OutputSlot] = []
    for index in sorted(placement.olps):
        olp = placement.olps[index]
        slot = sum(output.olp == olp for output in outputs)
        width = network.layers[index].outputs
        outputs.append(OutputSlot(f"layer{index}", index, olp, slot, heard.count(olp), width))
    return tuple(outputs)
