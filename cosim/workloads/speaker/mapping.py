"""Which matrices of the speaker encoder go where: three LSTM layers 768 wide and a projection, 12.1 million weights."""

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import LayoutOptions
from cosim.system.building import BuildOptions

__all__ = ["CHIPS", "mapping"]

#: With asymmetry balance; a single chip holds them in 2-PCM mode, at 68 % of its cells.
CHIPS = 2


def mapping(analog: AnalogConfig, chips: int = CHIPS) -> BuildOptions:
    """All matrices on chips.

    Parameters
    ----------
    analog : AnalogConfig
        Whose errors the ranges are chosen for.
    chips : int
    """
    return BuildOptions(layout=LayoutOptions(chips=chips, analog=analog, frames_per_run=1), analog=analog)
