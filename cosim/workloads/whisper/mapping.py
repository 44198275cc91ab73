"""Which matrices of Whisper go where: layers on chips, in balanced mode; convolutions, embedding and logits with the
host.

Four encoder layers of tiny.en have 7,077,888 weights, 79 % of a chip with asymmetry balance; four decoder layers
with their cross attention 9,437,184; together they fill two chips to 93 %.
"""

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import LayoutOptions, MatrixOptions
from cosim.system.building import BuildOptions

__all__ = ["CHIPS", "mapping"]

#: The encoder's layers on one; the decoder's on the other, and in what is left of the first.
CHIPS = 2
_HOST = MatrixOptions(host=True)


def mapping(analog: AnalogConfig, chips: int = CHIPS) -> BuildOptions:
    """The host keeps what is used once a recording or has a row for every word of the vocabulary.

    Parameters
    ----------
    analog : AnalogConfig
        Whose errors the ranges are chosen for.
    chips : int
        With one the compiler takes balance from the largest matrices.
    """
    matrices = {"encoder/encoder.conv*": _HOST, "decoder/proj_out": _HOST}
    return BuildOptions(LayoutOptions(chips=chips, matrices=matrices), analog=analog)
