"""Functions of numbers: arithmetic, comparisons, activations, types, quantisation."""

import numpy as np

from cosim.graph.onnx.call import Call, reads
from cosim.graph.operators import activations
from cosim.graph.operators.elementwise import Binary, BitShift, Cast, Infinite, Unary, Where
from cosim.graph.operators.quantization import Dequantize, Quantize
from cosim.graph.operators.tensor import Fill, Flatten, Reshape, Shape

__all__ = ["POINTWISE", "host_type", "pointwise"]

_UNARY = {
    "Abs": "abs",
    "Acos": "acos",
    "Acosh": "acosh",
    "Asin": "asin",
    "Asinh": "asinh",
    "Atan": "atan",
    "Atanh": "atanh",
    "BitwiseNot": "bitwise_not",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "IsNaN": "isnan",
    "Log": "log",
    "Neg": "neg",
    "Not": "not",
    "Reciprocal": "reciprocal",
    "Round": "round",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Sqrt": "sqrt",
    "Tan": "tan",
}

_BINARY = {
    "Add": "add",
    "And": "and",
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "Div": "div",
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_or_equal",
    "Less": "less",
    "LessOrEqual": "less_or_equal",
    "Mul": "mul",
    "Or": "or",
    "Pow": "pow",
    "Sub": "sub",
    "Xor": "xor",
}

#: Activations, and which of ONNX's attributes they have.
POINTWISE: dict[str, tuple[type[activations.Pointwise], tuple[str, ...]]] = {
    "Affine": (activations.Line, ("alpha", "beta")),
    "Elu": (activations.Elu, ("alpha",)),
    "HardSigmoid": (activations.HardSigmoid, ("alpha", "beta")),
    "LeakyRelu": (activations.LeakyRelu, ("alpha",)),
    "Relu": (activations.Relu, ()),
    "ScaledTanh": (activations.ScaledTanh, ("alpha", "beta")),
    "Sigmoid": (activations.Sigmoid, ()),
    "Softplus": (activations.Softplus, ()),
    "Softsign": (activations.Softsign, ()),
    "Tanh": (activations.Tanh, ()),
    "ThresholdedRelu": (activations.ThresholdedRelu, ("alpha",)),
}


def pointwise(operator: str, **attributes: float | None) -> activations.Pointwise:
    """ONNX's activation; attributes that are None keep its defaults."""
    made, _ = POINTWISE[operator]
    return made(**{name: value for name, value in attributes.items() if value is not None})


@reads(*_UNARY)
def unary(call: Call) -> str:
    return call.do(Unary(_UNARY[call.operator]), call.inputs[0])


def _binary(call: Call) -> str:
    if call.attribute("broadcast") is not None or call.attribute("axis") is not None:
        call.refuse("broadcast along an axis, of opset 6 and older, is not read; export it with opset 11 or newer")
    return call.do(Binary(_BINARY[call.operator]), *call.inputs)


reads(*set(_BINARY) - {"Add"})(_binary)


@reads("Add")
def add(call: Call) -> str:
    """An addition of a constant to a product is the bias of its matrix."""
    for product, bias in ((0, 1), (1, 0)):
        array, linear = call.constant(bias), call.draft.product(call.names[product])
        if array is None or linear is None or not call.only_use(product) or array.dtype.kind != "f":
            continue
        flat = array.size == 1 or array.shape[-1:] == (array.size,) == (linear.outputs,)
        if flat and array.ndim <= max(call.rank(product) or 0, 1):
            values = np.broadcast_to(array.reshape(-1), linear.outputs)
            layer = call.parameter_of(bias)
            # Exporters keep one of several equal arrays: then its name tells another layer.
            own = layer is not None and layer.startswith(call.module or "")
            return call.draft.give_bias(call.names[product], values, layer if own else None)
    return _binary(call)


@reads("Max", "Min", "Sum", "Mean")
def fold(call: Call) -> str:
    function = {"Max": "max", "Min": "min"}.get(call.operator, "add")
    value = call.inputs[0]
    for at, following in enumerate(call.inputs[1:], 1):
        value = call.do(Binary(function), value, following, part=f"{at}" if len(call.inputs) > 2 else "")
    if call.operator == "Mean":
        value = call.do(Binary("div"), value, call.number(float(len(call.inputs))), part="mean")
    return value


@reads("Mod")
def mod(call: Call) -> str:
    return call.do(Binary("fmod" if call.attribute("fmod", 0) else "mod"), *call.inputs)


@reads("BitShift")
def bit_shift(call: Call) -> str:
    return call.do(BitShift(call.attribute("direction") == "LEFT"), *call.inputs)


@reads("IsInf")
def infinite(call: Call) -> str:
    positive, negative = (bool(call.attribute(f"detect_{one}", 1)) for one in ("positive", "negative"))
    return call.do(Infinite(positive, negative), call.inputs[0])


@reads("Where")
def where(call: Call) -> str:
    return call.do(Where(), *call.inputs)


@reads("Clip")
def clip(call: Call) -> str:
    value = call.inputs[0]
    for name, at, function in (("min", 1, "max"), ("max", 2, "min")):
        if limit := call.setting(name, at):
            value = call.do(Binary(function), value, limit, part=name)
    return value


@reads(*set(POINTWISE) - {"Affine", "ScaledTanh"})
def activation(call: Call) -> str:
    _, names = POINTWISE[call.operator]
    return call.do(pointwise(call.operator, **{name: call.attribute(name) for name in names}), call.inputs[0])


@reads("Gelu")
def gelu(call: Call) -> str:
    tanh = call.attribute("approximate", "none") == "tanh"
    return call.do(activations.TanhGelu() if tanh else activations.Gelu(), call.inputs[0])


@reads("PRelu")
def prelu(call: Call) -> str:
    x, slope = call.inputs
    rank = call.rank(0)
    if call.opset < 7 and rank is not None and call.rank(1) == 1:
        slope = call.do(Reshape(), slope, call.number([-1] + [1] * (rank - 2)), part="slope")
    below = call.do(Binary("mul"), x, slope, part="below")
    return call.do(Where(), call.do(Binary("less"), x, call.number(0.0), part="negative"), below, x)


@reads("Selu")
def selu(call: Call) -> str:
    alpha = call.attribute("alpha", 1.67326319217681884765625)
    value = call.do(activations.Elu(alpha), call.inputs[0], part="elu")
    return call.do(Binary("mul"), value, call.number(call.attribute("gamma", 1.05070102214813232421875)))


@reads("Celu")
def celu(call: Call) -> str:
    alpha = call.attribute("alpha", 1.0)
    scaled = call.do(Binary("div"), call.inputs[0], call.number(alpha), part="scaled")
    return call.do(Binary("mul"), call.do(activations.Elu(), scaled, part="elu"), call.number(alpha))


@reads("Shrink")
def shrink(call: Call) -> str:
    """Nearer to 0 by `bias`; 0 within `lambd` of it."""
    x, edge, bias = call.inputs[0], call.attribute("lambd", 0.5), call.attribute("bias", 0.0)
    value = call.number(0.0)
    for function, sign, side in (("greater", 1, "above"), ("less", -1, "below")):
        beyond = call.do(Binary(function), x, call.number(sign * edge), part=side)
        moved = call.do(Binary("sub"), x, call.number(sign * bias), part=f"{side}/moved")
        value = call.do(Where(), beyond, moved, value, part=f"{side}/value")
    return value


@reads("HardSwish")
def hard_swish(call: Call) -> str:
    gate = call.do(activations.HardSigmoid(1 / 6, 0.5), call.inputs[0], part="gate")
    return call.do(Binary("mul"), call.inputs[0], gate)


@reads("Softmax", "LogSoftmax")
def softmax(call: Call) -> str:
    made = activations.Softmax if call.operator == "Softmax" else activations.LogSoftmax
    x, rank = call.inputs[0], call.rank(0)
    if call.opset >= 13:
        return call.do(made(call.attribute("axis", -1)), x)
    axis = call.attribute("axis", 1)
    if rank is not None and axis % rank == rank - 1:
        return call.do(made(-1), x)
    # Until opset 12 it runs over all axes from this one on.
    shape = call.do(Shape(), x, part="shape")
    return call.do(Reshape(False), call.do(made(-1), call.do(Flatten(axis), x, part="rows")), shape, part="back")


@reads("Cast")
def cast(call: Call) -> str:
    return call.do(Cast(host_type(call, call.attribute("to"))), call.inputs[0])


def host_type(call: Call, kind: int | str | None) -> str:
    """numpy's name of the type that the host has for one of ONNX's, given by number or name."""
    from onnx import TensorProto
    from onnx.helper import tensor_dtype_to_np_dtype

    name = TensorProto.DataType.Name(kind) if isinstance(kind, int) else kind
    if name in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"):
        return "float32"
    if name == "BOOL" or (name or "").removeprefix("U") in ("INT8", "INT16", "INT32", "INT64"):
        return np.dtype(tensor_dtype_to_np_dtype(TensorProto.DataType.Value(name))).name
    return call.refuse(f"the host has no numbers of type {name or 'that the file does not say'}")


@reads("CastLike")
def cast_like(call: Call) -> str:
    return call.do(Cast(host_type(call, call.input_type(1))), call.inputs[0])


@reads("Dropout")
def dropout(call: Call) -> tuple[str, ...]:
    if call.input(2) and call.known(2, "training_mode").any():
        call.refuse("it trains; export the network for inference")
    if not call.used(1):
        return (call.inputs[0],)
    shape = call.do(Shape(), call.inputs[0], part="shape")
    return call.inputs[0], call.do(Fill(np.array([True])), shape, part="mask")


@reads("DequantizeLinear")
def dequantize(call: Call) -> str:
    return call.do(Dequantize(call.attribute("axis", 1), call.attribute("block_size", 0)), *call.inputs)


@reads("QuantizeLinear")
def quantize(call: Call) -> str:
    kind = call.output_type() or ""
    if kind.removeprefix("U") not in ("INT4", "INT8", "INT16"):
        call.refuse(f"the host does not quantise to {kind or 'a type that the file does not say'}")
    return call.do(Quantize(kind.lower(), call.attribute("axis", 1), call.attribute("block_size", 0)), *call.inputs)
