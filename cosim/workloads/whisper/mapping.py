"""Which matrices of Whisper go where: layers on chips, with asymmetry balance; convolutions, embedding and logits with
the host.

Four encoder layers of tiny.en have 7,077,888 weights, 79 % of a chip with balance; four decoder layers with their cross
attention 9,437,184. On three chips there is room left for copies of matrices whose errors cost most: those of the
encoder's attention, and keys and values of cross attention. On two chips the largest have to do without balance.
"""

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import LayoutOptions, MatrixOptions
from cosim.system.building import BuildOptions

__all__ = ["CHIPS", "mapping"]

#: With one more, all matrices of the decoder have room for copies, too.
CHIPS = 3
_HOST, _TWICE = MatrixOptions(host=True), MatrixOptions(copies=2)
#: Of a matrix's inputs that the host may keep: it takes eight and four of 1,536, of two second feed-forward matrices.
_OUTLIERS = 0.01


def mapping(analog: AnalogConfig, chips: int = CHIPS) -> BuildOptions:
    """The host keeps what is used once a recording or has a row for every word of the vocabulary.

    Parameters
    ----------
    analog : AnalogConfig
        Whose errors the ranges are chosen for.
    chips : int
        With fewer than three there are no copies, and the compiler takes balance from the largest matrices.
    """
    matrices = {"encoder/encoder.conv*": _HOST, "decoder/proj_out": _HOST}
    if chips >= CHIPS:
        matrices |= {"encoder/*_proj": _TWICE, "cross/*": _TWICE}
    if chips > CHIPS:
        matrices |= {"decoder/*": _TWICE}
    return BuildOptions(LayoutOptions(chips=chips, matrices=matrices), outliers=_OUTLIERS, analog=analog)
