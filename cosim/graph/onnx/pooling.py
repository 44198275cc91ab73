"""Windows that move over pictures."""

from typing import Any

from cosim.graph.onnx.call import Call, reads
from cosim.graph.operators.pooling import AveragePool, MaxPool, NormPool
from cosim.graph.operators.reduction import Reduce


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
    made = MaxPool(**_window(call), columns_first=bool(call.attribute("storage_order", 0)))
    return call.do_all(made, call.inputs[0], outputs=2)


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
