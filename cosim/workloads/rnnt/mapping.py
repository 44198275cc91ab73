"""Which matrix of an RNN-T goes where: the paper's five chips for MLPerf's widths, as few chips as it takes for others.

Source: Nature 620, 768 (2023), Fig. 4, Methods and Extended Data Figs. 5, 7. Asymmetry balance, four devices a weight,
for the first two layers, the state's matrix of the third and the prediction network; two devices elsewhere. Joined
pairs sum 1,024 or 2,048 rows, but for the first two blocks of columns of three input matrices ("blocks 1 and 9, 2 and
10"), whose two sums the host adds. The last 256 columns of both layers of the prediction network share a landing pad.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import Layout, LayoutOptions, MatrixOptions, lay_out
from cosim.fabric.checker import check_image
from cosim.program import Mode
from cosim.system.building import BuildOptions
from cosim.workloads.rnnt.model import EMBEDDINGS
from cosim.workloads.rnnt.network import RnntShape
from rtl.config import ChipConfig, preset

__all__ = ["FIRST", "PAPER", "FirstLayer", "laid_out", "mapping", "matrix_shapes", "paper_layout", "waves"]

#: MLPerf's widths, which the five chips are for.
PAPER = RnntShape()
#: The input matrix of the first layer.
FIRST = "pre/lstm0/input"
_COPIES = 4
_EXPANDED_ROWS = 1024
_HOST = {"joint/*": MatrixOptions(host=True)}


class FirstLayer(StrEnum):
    """What stands on the chip for the input matrix of the first layer, of 240 rows.

    ``ONCE``: itself. ``AVERAGED``: four copies, 960 rows, whose sum averages errors of devices. ``EXPANDED``: 1,024
    rows, by a random matrix before it and its pseudo-inverse in the weights.
    """

    ONCE = "once"
    AVERAGED = "averaged"
    EXPANDED = "expanded"

    @property
    def copies(self) -> int:
        return _COPIES if self is FirstLayer.AVERAGED else 1

    @property
    def centred(self) -> bool:
        """Whether the mean is taken off its input: products with a random matrix are near zero in the mean anyway."""
        return self is not FirstLayer.EXPANDED

    def rows(self, features: int) -> int:
        """On the chip, of one copy."""
        return round(_EXPANDED_ROWS / PAPER.features * features) if self is FirstLayer.EXPANDED else features


def matrix_shapes(shape: RnntShape, first: FirstLayer = FirstLayer.ONCE) -> dict[str, tuple[int, int]]:
    """Rows and columns of every matrix that goes onto a chip, by the name of its node."""
    gates, width = 4 * shape.encoder, shape.encoder
    own = shape.prediction
    return {
        FIRST: (first.rows(shape.features), gates),
        "pre/lstm0/recurrent": (width, gates),
        "pre/lstm1/input": (width, gates),
        "pre/lstm1/recurrent": (width, gates),
        "post/lstm2/input": (shape.stack * width, gates),
        "post/lstm2/recurrent": (width, gates),
        "post/lstm3": (2 * width, gates),
        "post/lstm4": (2 * width, gates),
        "post/fc": (width, shape.joint),
        "prediction/lstm0": (EMBEDDINGS * (shape.labels - 1) + own, 4 * own),
        "prediction/lstm1": (2 * own, 4 * own),
        "prediction/fc": (own, shape.joint),
    }


def waves() -> list[tuple[str, ...]]:
    """Matrices that are due at once: those of chips 1 and 2, of 3 and 4, and of 5."""
    found: dict[str, tuple[str, ...]] = {}
    for name in matrix_shapes(PAPER):
        graph = name.partition("/")[0]
        found[graph] = (*found.get(graph, ()), name)
    return list(found.values())


def _paper_options(first: FirstLayer) -> LayoutOptions:
    balanced, stacked = Mode.BALANCED, Mode.STACKED
    own = PAPER.prediction
    return LayoutOptions(
        chips=5,
        matrices={
            FIRST: MatrixOptions(balanced, joined=True, copies=first.copies, chip=0, apart=2),
            "pre/lstm0/recurrent": MatrixOptions(balanced, joined=True, chip=0),
            "pre/lstm1/input": MatrixOptions(balanced, joined=True, chip=1, apart=2),
            "pre/lstm1/recurrent": MatrixOptions(balanced, joined=True, chip=1),
            "post/lstm2/input": MatrixOptions(stacked, joined=True, chip=2, apart=2),
            "post/lstm2/recurrent": MatrixOptions(balanced, joined=True, chip=2),
            "post/*": MatrixOptions(stacked, joined=True, chip=3),
            # Of each pair, one tile has the rows of the input, the other one those of the state.
            "prediction/lstm0": MatrixOptions(
                balanced, joined=True, chip=4, first_rows=EMBEDDINGS * (PAPER.labels - 1)
            ),
            "prediction/lstm1": MatrixOptions(balanced, joined=True, chip=4, first_rows=own),
            "prediction/fc": MatrixOptions(balanced, chip=4),
            **_HOST,
        },
        merged=(("prediction/lstm0", "prediction/lstm1"),),
        effort=0,
        solver_s=60,
    )


def laid_out(first: FirstLayer, config: ChipConfig | None = None) -> Layout:
    """The paper's five chips, found anew: half a minute, with the extra `compile`."""
    return lay_out(matrix_shapes(PAPER, first), waves(), _paper_options(first), config or preset())


def paper_layout(first: FirstLayer = FirstLayer.AVERAGED, *, check: bool = False) -> Layout:
    """The paper's five chips, as `laid_out` found them once.

    Parameters
    ----------
    first : FirstLayer
    check : bool
        Go through every program again for what a chip would flag.
    """
    layout = Layout.load(stored(first))
    if check:
        for image in layout.images:
            check_image(image)
    return layout


def stored(first: FirstLayer) -> Path:
    """Where `paper_layout` finds it."""
    return Path(__file__).with_name(f"layout-{first.value}.npz")


def mapping(
    shape: RnntShape,
    analog: AnalogConfig,
    first: FirstLayer = FirstLayer.AVERAGED,
    chips: int | None = None,
) -> BuildOptions:
    """The paper's five chips for its widths; for others, or another number of chips, what the compiler finds.

    Parameters
    ----------
    shape : RnntShape
    analog : AnalogConfig
        Whose errors the ranges are chosen for.
    first : FirstLayer
    chips : int, optional
    """
    expansion: Mapping[str, float] = {}
    if first is FirstLayer.EXPANDED:
        expansion = {FIRST: first.rows(shape.features) / shape.features}
    if shape == PAPER and chips in (None, 5):
        return BuildOptions(placed=paper_layout(first), expansion=expansion, analog=analog)
    matrices = {FIRST: MatrixOptions(copies=first.copies), **_HOST}
    return BuildOptions(LayoutOptions(chips=chips, matrices=matrices), expansion=expansion, analog=analog)


def store() -> None:
    """Write what `paper_layout` reads: ``python -m cosim.workloads.rnnt.mapping``."""
    for first in FirstLayer:
        laid_out(first).save(stored(first))


if __name__ == "__main__":
    store()
