"""Windows that move over pictures, and pictures of other sizes."""

from typing import Any

from cosim.graph.onnx.call import Call, reads
from cosim.graph.operators.pooling import AveragePool, MaxPool, NormPool
from cosim.graph.operators.reduction import Reduce
from cosim.graph.operators.resize import Resize
from cosim.graph.operators.tensor import Reshape, Transpose
from cosim.graph.operators.transposed import Overlap


def _window(call: Call) -> dict[str, Any]:
    """How the window moves."""
    auto = call.attribute("auto_pad", "NOTSET")
    return {
        "lengths": tuple(call.attribute("kernel_shape")),
        "strides": tuple(call.attribute("strides", ())),
        "dilations": tuple(call.attribute("dilations", ())),
        "pads": tuple(call.attribute("pads", ())) if auto == "NOTSET" else (),
        "same": auto.removeprefix("SAME_").lower() if auto.startswith("SAME") else "",
        "partial": bool(call.attribute("ceil_mode", 0)),
    }


@reads("MaxPool")
def max_pool(call: Call) -> tuple[str, ...]:
    columns_first = bool(call.attribute("storage_order", 0))
    made = MaxPool(**_window(call), indices=call.used(1), columns_first=columns_first)
    return call.do_all(made, call.inputs[0], outputs=made.results)


@reads("AveragePool")
def average_pool(call: Call) -> str:
    with_pads = bool(call.attribute("count_include_pad", 0))
    return call.do(AveragePool(**_window(call), with_pads=with_pads), call.inputs[0])


@reads("LpPool")
def norm_pool(call: Call) -> str:
    return call.do(NormPool(**_window(call), p=call.attribute("p", 2)), call.inputs[0])


@reads("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(call: Call) -> str:
    axes = call.number(list(range(2, call.sure_rank(0))))
    function = {"GlobalAveragePool": "mean", "GlobalMaxPool": "max"}.get(call.operator)
    if function is None:
        p = call.attribute("p", 2)
        if p not in (1, 2):
            call.refuse(f"norms of p = 1 and 2 are read, not of {p}")
        function = f"l{p}"
    return call.do(Reduce(function), call.inputs[0], axes)


@reads("Resize", "Upsample")
def resize(call: Call) -> str:
    places = call.attribute("coordinate_transformation_mode", "half_pixel" if call.opset > 10 else "asymmetric")
    if places == "tf_crop_and_resize":
        call.refuse("cutting pieces out of pictures is not read; cut it off the network")
    made = Resize(
        mode=call.attribute("mode", "nearest"),
        places=places,
        nearest=call.attribute("nearest_mode", "round_prefer_floor" if call.opset > 10 else "floor"),
        cubic=call.attribute("cubic_coeff_a", -0.75),
        inside_only=bool(call.attribute("exclude_outside", 0)),
        smooth=bool(call.attribute("antialias", 0)),
        axes=tuple(axes) if (axes := call.attribute("axes")) is not None else None,
        aspect=call.attribute("keep_aspect_ratio_policy", "stretch"),
    )
    if call.opset > 10:
        return call.do(made, call.inputs[0], call.input(2), call.input(3))
    return call.do(made, call.inputs[0], call.setting("scales", 1))


@reads("Col2Im")
def patches_to_picture(call: Call) -> str:
    """Columns (batch, channels x kernel, patches) become a picture whose size must be known."""
    picture, kernel = (tuple(map(int, call.known(at, what))) for at, what in ((1, "image_shape"), (2, "block_shape")))
    axes = len(kernel)
    stride, dilation = (tuple(call.attribute(name, [1] * axes)) for name in ("strides", "dilations"))
    pads = call.attribute("pads", [0] * 2 * axes)
    padding = tuple(zip(pads[:axes], pads[axes:], strict=True))
    spans = ((length - 1) * by + 1 for length, by in zip(kernel, dilation, strict=True))
    places = [
        (length + sum(pad) - span) // by + 1
        for length, pad, span, by in zip(picture, padding, spans, stride, strict=True)
    ]
    rows = call.do(Transpose((0, 2, 1)), call.inputs[0], part="rows")
    rows = call.do(Reshape(), rows, call.number([0, *places, -1]), part="places")
    over = [
        length + sum(pad) - (place - 1) * by - (size - 1) * apart - 1
        for length, pad, place, by, size, apart in zip(picture, padding, places, stride, kernel, dilation, strict=True)
    ]
    return call.do(Overlap(kernel, stride, dilation, padding, tuple(over)), rows)
