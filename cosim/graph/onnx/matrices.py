"""Products with matrices: constant ones become `Linear`, others the host's products; convolutions, over patches."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.files.wording import counted
from cosim.graph.onnx.call import Call, reads
from cosim.graph.operators.convolution import ChannelMaps, Patches
from cosim.graph.operators.elementwise import Binary
from cosim.graph.operators.products import Einsum, Product
from cosim.graph.operators.tensor import Concatenate, Reshape, Split, Squeeze, Transpose
from cosim.graph.operators.transposed import Overlap

_SWAPPED = Transpose((-1, -2))


@reads("MatMul")
def matmul(call: Call) -> str:
    left, right = (call.constant(at) for at in (0, 1))
    if right is not None and _is_matrix(right, call.rank(0)):
        if right.ndim == 1:
            product = call.linear(call.inputs[0], right[:, None])
            return call.do(Squeeze(), product, call.number([-1]), part="squeeze")
        return call.linear(call.inputs[0], right.reshape(right.shape[-2:]))
    rank = call.rank(1)
    if left is not None and left.ndim == 2 and left.size and rank is not None:
        if rank == 1:
            return call.linear(call.inputs[1], left.T, source=0)
        columns = call.do(_SWAPPED, call.inputs[1], part="columns")
        return call.do(_SWAPPED, call.linear(columns, left.T, source=0), part="rows")
    return call.do(Product(), *call.inputs)


def _is_matrix(weights: NDArray, rank: int | None) -> bool:
    """Whether a product with it is that of rows with one matrix; a stack of matrices is not."""
    if not weights.size or weights.dtype.kind != "f" or weights.ndim == 0:
        return False
    return weights.ndim <= 2 or (math.prod(weights.shape[:-2]) == 1 and rank is not None and rank >= weights.ndim)


@reads("Gemm")
def gemm(call: Call) -> str:
    """``alpha A B + beta C``, with A and B transposed where the file says so."""
    alpha, beta = call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    a, b = call.inputs[0], call.inputs[1]
    if call.attribute("transA", 0):
        a = call.do(_SWAPPED, a, part="rows")
    weights, added = call.constant(1), call.constant(2)
    if weights is not None and weights.ndim == 2 and weights.size and weights.dtype.kind == "f":
        matrix = np.float32(alpha) * (weights.T if call.attribute("transB", 0) else weights)
        width = matrix.shape[1]
        if added is not None and (added.size == 1 or added.shape[-1:] == (added.size,) or added.shape == (1, width)):
            bias = np.broadcast_to(np.float32(beta) * added.reshape(-1), width)
            return call.linear(a, matrix, bias)
        product = call.linear(a, matrix)
    else:
        if call.attribute("transB", 0):
            b = call.do(_SWAPPED, b, part="columns")
        product = call.do(Product(), a, b, part="product")
        if alpha != 1:
            product = call.do(Binary("mul"), product, call.number(alpha), part="scale")
    if not call.input(2):
        return product
    c = call.inputs[2] if beta == 1 else call.do(Binary("mul"), call.inputs[2], call.number(beta), part="scaled")
    return call.do(Binary("add"), product, c, part="sum")


def _window(call: Call, weights: NDArray) -> dict[str, Any]:
    """Kernel, stride and dilation of a convolution."""
    kernel = weights.shape[2:]
    given = call.attribute("kernel_shape")
    if weights.ndim < 3 or (given is not None and tuple(given) != kernel):
        call.refuse(f"kernel_shape {given} and weights of shape {weights.shape} do not fit together")
    ones = [1] * len(kernel)
    stride, dilation = (tuple(call.attribute(name, ones)) for name in ("strides", "dilations"))
    return {"kernel": kernel, "stride": stride, "dilation": dilation}


def _pads(call: Call, axes: int) -> tuple[tuple[int, int], ...]:
    pads = call.attribute("pads", [0] * 2 * axes)
    if len(pads) != 2 * axes:
        call.refuse(f"pads {pads} for {axes} axes")
    return tuple(zip(pads[:axes], pads[axes:], strict=True))


@reads("Conv")
def convolution(call: Call) -> str:
    weights = call.known(1, "the kernel")
    window = _window(call, weights)
    bias = call.known(2, "the bias") if call.input(2) else None
    axes, groups = weights.ndim - 2, call.attribute("group", 1)
    auto = call.attribute("auto_pad", "NOTSET")
    padding = auto.lower() if auto.startswith("SAME") else _pads(call, axes) if auto == "NOTSET" else ()
    if len(weights) % groups:
        call.refuse(f"{counted(len(weights), 'output')} cannot be shared out among {groups} groups")
    if groups > 1 and weights.shape[1] == 1:
        return _by_channel(call, Patches(**window, padding=padding), weights, bias, groups)
    patches = Patches(**window, padding=padding, groups=groups)
    rows = call.do_all(patches, call.inputs[0], outputs=groups, part="patches")
    products = []
    for group, row in enumerate(rows):
        part = slice(group * len(weights) // groups, (group + 1) * len(weights) // groups)
        matrix = weights[part].reshape(len(weights) // groups, -1).T
        which = f"{group}" if groups > 1 else ""
        products.append(call.linear(row, matrix, None if bias is None else bias[part], part=which))
    return call.do(ChannelMaps(axes), *products, part="maps")


def _by_channel(call: Call, patches: Patches, weights: NDArray, bias: NDArray | None, groups: int) -> str:
    """A convolution of each channel alone: the host's, since its matrices have one channel's kernel as rows."""
    places = [0] * (weights.ndim - 1)
    (rows,) = call.do_all(patches, call.inputs[0], outputs=1, part="patches")
    channels = call.do(Reshape(), rows, call.number([*places, groups, -1]), part="channels")
    kernels = call.number(weights.reshape(groups, len(weights) // groups, -1))
    products = call.do(Einsum("...ck,cmk->...cm"), channels, kernels, part="products")
    flat = call.do(Reshape(), products, call.number([*places, len(weights)]), part="flat")
    if bias is not None:
        flat = call.do(Binary("add"), flat, call.number(bias), part="bias")
    return call.do(ChannelMaps(weights.ndim - 2), flat, part="maps")


@reads("ConvTranspose")
def transposed_convolution(call: Call) -> str:
    weights = call.known(1, "the kernel")  # (inputs, outputs / groups, kernel ...)
    axes, groups = weights.ndim - 2, call.attribute("group", 1)
    auto, size = call.attribute("auto_pad", "NOTSET"), tuple(call.attribute("output_shape", ()))
    overlap = Overlap(
        **_window(call, weights),
        padding=_pads(call, axes) if auto == "NOTSET" and not size else (),
        longer=tuple(call.attribute("output_padding", ())),
        size=size[-axes:],
        same=auto.startswith("SAME"),
        odd_first=auto != "SAME_UPPER",
    )
    if len(weights) % groups:
        call.refuse(f"{counted(len(weights), 'input')} cannot be shared out among {groups} groups")
    rows = call.do(Transpose((0, *range(2, axes + 2), 1)), call.inputs[0], part="rows")
    parts: tuple[str, ...] = (rows,)
    if groups > 1:
        parts = call.do_all(Split(-1, groups), rows, outputs=groups, part="groups")
    pictures = []
    for group, (part, matrix) in enumerate(zip(parts, np.split(weights, groups), strict=True)):
        which = f"{group}" if groups > 1 else ""
        product = call.linear(part, matrix.reshape(len(matrix), -1), part=which)
        pictures.append(call.do(overlap, product, part="overlap"))
    picture = pictures[0] if groups == 1 else call.do(Concatenate(1), *pictures, part="channels")
    if not call.input(2):
        return picture
    bias = call.do(Reshape(), call.inputs[2], call.number([-1, *[1] * axes]), part="bias")
    return call.do(Binary("add"), picture, bias, part="sum")
