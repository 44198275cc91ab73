"""Which matrices of a sentence transformer go where: six layers of width 384, 10.6 million weights."""

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import LayoutOptions
from cosim.system.building import BuildOptions

__all__ = ["CHIPS", "mapping"]

#: In 2-PCM mode, at 60 % of the cells; two chips hold them with asymmetry balance.
CHIPS = 1


def mapping(analog: AnalogConfig, chips: int = CHIPS) -> BuildOptions:
    """All matrices of the layers on chips; tables of embeddings, attention and normalisation are the host's.

    Parameters
    ----------
    analog : AnalogConfig
        Whose errors the ranges are chosen for.
    chips : int
    """
    return BuildOptions(layout=LayoutOptions(chips=chips, analog=analog), analog=analog)
