"""Shapes, places, reductions."""

from collections.abc import Callable

import numpy as np

from cosim.graph.onnx.call import Call, reads
from cosim.graph.onnx.numbers import host_type
from cosim.graph.operator import Operator
from cosim.graph.operators import indexing, tensor
from cosim.graph.operators.elementwise import Binary, Cast
from cosim.graph.operators.products import Einsum
from cosim.graph.operators.reduction import Cumulative, Extreme, Reduce

_REDUCTIONS = {
    "ReduceL1": "l1",
    "ReduceL2": "l2",
    "ReduceLogSum": "log_sum",
    "ReduceLogSumExp": "log_sum_exp",
    "ReduceMax": "max",
    "ReduceMean": "mean",
    "ReduceMin": "min",
    "ReduceProd": "prod",
    "ReduceSum": "sum",
    "ReduceSumSquare": "sum_square",
}

#: Operators without attributes.
_PLAIN: dict[str, Callable[[], Operator]] = {
    "Expand": tensor.Expand,
    "NonZero": indexing.NonZero,
    "Range": tensor.Range,
    "Size": tensor.Size,
}


@reads(*_PLAIN)
def plain(call: Call) -> str:
    return call.do(_PLAIN[call.operator](), *call.inputs)


@reads("Identity")
def identity(call: Call) -> str:
    return call.inputs[0]


@reads("Constant")
def constant(call: Call) -> str:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        value = call.attribute(name)
        if value is not None:
            return call.number(np.asarray(value, np.int64 if "int" in name else None))
    return call.refuse("its value is text or a sparse array; export it as a dense array of numbers")


@reads("ConstantOfShape")
def constant_of_shape(call: Call) -> str:
    return call.do(tensor.Fill(np.asarray(call.attribute("value", np.zeros(1, np.float32)))), call.inputs[0])


@reads("Shape")
def shape(call: Call) -> str:
    return call.do(tensor.Shape(call.attribute("start", 0), call.attribute("end")), call.inputs[0])


@reads("Reshape")
def reshape(call: Call) -> str:
    return call.do(tensor.Reshape(not call.attribute("allowzero", 0)), call.inputs[0], call.setting("shape", 1))


@reads("Flatten")
def flatten(call: Call) -> str:
    return call.do(tensor.Flatten(call.attribute("axis", 1)), call.inputs[0])


@reads("Transpose")
def transpose(call: Call) -> str:
    axes = call.attribute("perm")
    return call.do(tensor.Transpose(None if axes is None else tuple(axes)), call.inputs[0])


@reads("Squeeze", "Unsqueeze")
def squeeze(call: Call) -> str:
    made = tensor.Squeeze() if call.operator == "Squeeze" else tensor.Unsqueeze()
    return call.do(made, call.inputs[0], call.setting("axes", 1))


@reads("Slice")
def cut(call: Call) -> str:
    limits = (call.setting(name, at) for at, name in enumerate(("starts", "ends", "axes", "steps"), 1))
    return call.do(tensor.Slice(), call.inputs[0], *limits)


@reads("Split")
def split(call: Call) -> tuple[str, ...]:
    made = tensor.Split(call.attribute("axis", 0), call.attribute("num_outputs", call.outputs))
    return call.do_all(made, call.inputs[0], call.setting("split", 1), outputs=call.outputs)


@reads("Concat")
def concatenate(call: Call) -> str:
    return call.do(tensor.Concatenate(call.attribute("axis", 1)), *call.inputs)


@reads("Tile")
def tile(call: Call) -> str:
    if call.opset < 6:
        call.refuse("opset 5 and older are not read; export the network with opset 11 or newer")
    return call.do(tensor.Tile(), *call.inputs)


@reads("Pad")
def pad(call: Call) -> str:
    mode = call.attribute("mode", "constant")
    settings = (call.setting(name, at) for at, name in enumerate(("pads", "value", "axes"), 1))
    return call.do(tensor.Pad(mode), call.inputs[0], *settings)


@reads("EyeLike")
def eye(call: Call) -> str:
    kind = call.attribute("dtype")
    return call.do(tensor.Eye(call.attribute("k", 0), None if kind is None else host_type(call, kind)), call.inputs[0])


@reads("Trilu")
def triangle(call: Call) -> str:
    return call.do(tensor.Triangle(bool(call.attribute("upper", 1))), *call.inputs)


@reads("ReverseSequence")
def reverse(call: Call) -> str:
    return call.do(tensor.Reverse(call.attribute("time_axis", 0), call.attribute("batch_axis", 1)), *call.inputs)


@reads("DepthToSpace", "SpaceToDepth")
def blocks(call: Call) -> str:
    made = tensor.BlocksToSpace if call.operator == "DepthToSpace" else tensor.SpaceToBlocks
    return call.do(made(call.attribute("blocksize"), call.attribute("mode", "DCR") == "DCR"), call.inputs[0])


@reads("Gather")
def gather(call: Call) -> str:
    return call.do(indexing.Gather(call.attribute("axis", 0)), *call.inputs)


@reads("GatherElements")
def gather_elements(call: Call) -> str:
    return call.do(indexing.GatherElements(call.attribute("axis", 0)), *call.inputs)


@reads("GatherND")
def gather_slices(call: Call) -> str:
    return call.do(indexing.GatherSlices(call.attribute("batch_dims", 0)), *call.inputs)


@reads("ScatterElements", "Scatter")
def scatter_elements(call: Call) -> str:
    made = indexing.ScatterElements(call.attribute("axis", 0), call.attribute("reduction", "none"))
    return call.do(made, *call.inputs)


@reads("ScatterND")
def scatter_slices(call: Call) -> str:
    return call.do(indexing.ScatterSlices(call.attribute("reduction", "none")), *call.inputs)


@reads("OneHot")
def one_hot(call: Call) -> str:
    return call.do(indexing.OneHot(call.attribute("axis", -1)), *call.inputs)


@reads("Compress")
def compress(call: Call) -> str:
    return call.do(indexing.Compress(call.attribute("axis")), *call.inputs)


@reads("TopK")
def top(call: Call) -> tuple[str, ...]:
    made = indexing.Top(call.attribute("axis", -1), bool(call.attribute("largest", 1)))
    return call.do_all(made, call.inputs[0], call.setting("k", 1), outputs=2)


@reads("ArgMax", "ArgMin")
def extreme(call: Call) -> str:
    keep, last = bool(call.attribute("keepdims", 1)), bool(call.attribute("select_last_index", 0))
    return call.do(Extreme(call.attribute("axis", 0), call.operator == "ArgMax", keep, last), call.inputs[0])


@reads("Hardmax")
def hardmax(call: Call) -> str:
    """1 at the largest, the first of equals, 0 elsewhere."""
    x, axis = call.inputs[0], call.attribute("axis", -1 if call.opset >= 13 else 1)
    rank = call.sure_rank(0)
    if call.opset < 13 and axis % rank != rank - 1:
        call.refuse("before opset 13 it runs over all axes from one on; export the network with a newer opset")
    at = call.do(Extreme(axis), x, part="index")
    length = call.do(tensor.Shape(axis % rank, axis % rank + 1), x, part="length")
    places = call.do(tensor.Range(), call.number(0), length, call.number(1), part="places")
    along = call.do(tensor.Reshape(), places, call.number([-1, *[1] * (rank - 1 - axis % rank)]), part="along")
    hit = call.do(Binary("equal"), along, at, part="hit")
    return call.do(Cast("float32"), hit)


@reads("CumSum", "CumProd")
def cumulative(call: Call) -> str:
    function = "add" if call.operator == "CumSum" else "mul"
    made = Cumulative(function, bool(call.attribute("exclusive", 0)), bool(call.attribute("reverse", 0)))
    return call.do(made, *call.inputs)


@reads(*_REDUCTIONS)
def reduce(call: Call) -> str:
    keep, none = bool(call.attribute("keepdims", 1)), bool(call.attribute("noop_with_empty_axes", 0))
    return call.do(Reduce(_REDUCTIONS[call.operator], keep, none), call.inputs[0], call.setting("axes", 1))


@reads("Einsum")
def einsum(call: Call) -> str:
    return call.do(Einsum(call.attribute("equation")), *call.inputs)
