"""Normalisation over batches, channels and neighbours."""

import numpy as np

from cosim.graph.onnx.call import Call, reads
from cosim.graph.operators.elementwise import Binary, Unary
from cosim.graph.operators.normalisation import BatchNorm, LayerNorm
from cosim.graph.operators.pooling import AveragePool
from cosim.graph.operators.reduction import Reduce
from cosim.graph.operators.tensor import Squeeze, Unsqueeze


def _by_channel(call: Call, value: str, rank: int, part: str) -> str:
    """A number for each channel, as it broadcasts against (batch, channels, places ...)."""
    if rank <= 2:
        return value
    return call.do(Unsqueeze(), value, call.number(list(range(1, rank - 1))), part=part)


@reads("BatchNormalization")
def batch(call: Call) -> str:
    """By what training found of each channel."""
    if call.attribute("training_mode", 0) or any(call.used(at) for at in range(1, call.outputs)):
        call.refuse("it trains; export the network for inference")
    scale, shift, mean, variance = (call.known(at, what) for at, what in enumerate(("scale", "B", "mean", "var"), 1))
    made = BatchNorm(scale, shift, mean, variance, call.attribute("epsilon", 1e-5), axis=1)
    return call.do(made, call.inputs[0])


@reads("LayerNormalization")
def layer(call: Call) -> tuple[str, ...]:
    x, axis = call.inputs[0], call.attribute("axis", -1)
    scale, shift = call.constant(1), call.constant(2)
    epsilon = call.attribute("epsilon", 1e-5)
    first = axis if axis < 0 else axis - call.sure_rank(0)
    fits = scale is not None and scale.ndim == -first
    if call.input(2):
        fits = fits and shift is not None and scale is not None and shift.shape == scale.shape
    if fits and scale is not None and not call.used(1) and not call.used(2):
        return (call.do(LayerNorm(scale, shift, epsilon), x),)
    centred, deviation, mean = _centred(call, x, call.number(list(range(first, 0))), epsilon)
    value = call.do(
        Binary("mul"), call.do(Binary("div"), centred, deviation, part="unit"), call.inputs[1], part="scaled"
    )
    if call.input(2):
        value = call.do(Binary("add"), value, call.inputs[2], part="shifted")
    return value, mean, call.do(Unary("reciprocal"), deviation, part="inverse")


def _centred(call: Call, x: str, axes: str, epsilon: float) -> tuple[str, str, str]:
    """The array less its mean along axes, its standard deviation, its mean."""
    mean = call.do(Reduce("mean"), x, axes, part="mean")
    centred = call.do(Binary("sub"), x, mean, part="centred")
    squares = call.do(Binary("mul"), centred, centred, part="squares")
    variance = call.do(Reduce("mean"), squares, axes, part="variance")
    above = call.do(Binary("add"), variance, call.number(epsilon), part="above")
    return centred, call.do(Unary("sqrt"), above, part="deviation"), mean


@reads("InstanceNormalization")
def instance(call: Call) -> str:
    x, scale, shift = call.inputs
    rank = call.sure_rank(0)
    epsilon = call.attribute("epsilon", 1e-5)
    centred, deviation, _ = _centred(call, x, call.number(list(range(2, rank))), epsilon)
    unit = call.do(Binary("div"), centred, deviation, part="unit")
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
    window = AveragePool((size, *ones), pads=(*pads, size // 2, *[0] * (rank - 2)), with_pads=True)
    mean = call.do(Squeeze(), call.do(window, line, part="mean"), axis, part="channels")
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
