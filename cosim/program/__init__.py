"""What the host loads into a chip and must know to feed and read it.

`Program` is one run's worth: words, slots, layers, weights. `ChipImage` is what a chip holds: one program, or several
to choose from at each start.
"""

from cosim.program.image import ChipImage
from cosim.program.plan import WEIGHT_UNITS, LayerPlan, Mode
from cosim.program.program import Program
from cosim.program.slots import InputSlot, OutputSlot, ProgramError, Unit

__all__ = [
    "WEIGHT_UNITS",
    "ChipImage",
    "InputSlot",
    "LayerPlan",
    "Mode",
    "OutputSlot",
    "Program",
    "ProgramError",
    "Unit",
]
