"""Normalisation over batches, channels and neighbours."""

import numpy as np

from cosim.graph.onnx.call import Call, reads
from cosim.graph.operators.elementwise import Binary, Unary
from cosim.graph.operators.pooling import AveragePool, Window
from cosim.graph.operators.reduction import Reduce
from cosim.graph.operators.tensor import Squeeze, Unsqueeze


def _by_channel(call: Call, value: str, rank: int, part: str) -> str:
    """A number for each channel, as it broadcasts against (batch, channels, places ...)."""
    if rank <= 2:
        return value
    return call.do(Unsqueeze(), value, call.number(list(range(1, rank - 1))), part=part)


@reads("BatchNormalization")
def batch(call: Call) -> str:
    """By channel a scale and a shift, which are computed when the file is read."""
    if call.attribute("training_mode", 0) or any(call.used(at) for at in range(1, call.outputs)):
        call.refuse("it trains; export the network for inference")
    x, scale, shift, mean, variance = call.inputs
    epsilon = call.number(call.attribute("epsilon", 1e-5))
    deviation = call.do(Unary("sqrt"), call.do(Binary("add"), variance, epsilon, part="variance"), part="deviation")
    slope = call.do(Binary("div"), scale, deviation, part="slope")
    offset = call.do(Binary("sub"), shift, call.do(Binary("mul"), mean, slope, part="mean"), part="offset")
    rank = call.sure_rank(0)
    scaled = call.do(Binary("mul"), x, _by_channel(call, slope, rank, "slopes"), part="scaled")
    return call.do(Binary("add"), scaled, _by_channel(call, offset, rank, "offsets"), part="shifted")


@reads("InstanceNormalization")
def instance(call: Call) -> str:
    x, scale, shift = call.inputs
    rank = call.sure_rank(0)
    axes = call.number(list(range(2, rank)))
    centred = call.do(Binary("sub"), x, call.do(Reduce("mean"), x, axes, part="mean"), part="centred")
    squares = call.do(Binary("mul"), centred, centred, part="squares")
    variance = call.do(Reduce("mean"), squares, axes, part="variance")
    above = call.do(Binary("add"), variance, call.number(call.attribute("epsilon", 1e-5)), part="above")
    unit = call.do(Binary("div"), centred, call.do(Unary("sqrt"), above, part="deviation"), part="unit")
    scaled = call.do(Binary("mul"), unit, _by_channel(call, scale, rank, "scales"), part="scaled")
    return call.do(Binary("add"), scaled, _by_channel(call, shift, rank, "shifts"), part="shifted")


@reads("LRN")
def local(call: Call) -> str:
    """``x / (bias + alpha mean(x²))^beta``, the mean over neighbouring channels."""
    size, rank = call.attribute("size"), call.sure_rank(0)
    x = call.inputs[0]
    squares = call.do(Binary("mul"), x, x, part="squares")
    axis = call.number([1])
    line = call.do(Unsqueeze(), squares, axis, part="line")
    ones, pads = [1] * (rank - 2), [(size - 1) // 2, *[0] * (rank - 2)]
    window = Window((size, *ones), pads=(*pads, size // 2, *[0] * (rank - 2)))
    mean = call.do(Squeeze(), call.do(AveragePool(window, True), line, part="mean"), axis, part="channels")
    scaled = call.do(Binary("mul"), mean, call.number(call.attribute("alpha", 1e-4)), part="scaled")
    above = call.do(Binary("add"), scaled, call.number(call.attribute("bias", 1.0)), part="above")
    power = call.do(Binary("pow"), above, call.number(call.attribute("beta", 0.75)), part="power")
    return call.do(Binary("div"), x, power, part="quotient")


@reads("LpNormalization")
def norm(call: Call) -> str:
    """Unit length along an axis; where all is 0 it stays 0."""
    x, p = call.inputs[0], call.attribute("p", 2)
    length = call.do(Reduce(f"l{p}"), x, call.number([call.attribute("axis", -1)]), part="length")
    safe = call.do(Binary("max"), length, call.number(float(np.finfo(np.float32).tiny)), part="above")
    return call.do(Binary("div"), x, safe, part="quotient")
