"""What the host loads into a chip and must know to feed and read it."""

from cosim.program.program import InputSlot, LayerPlan, Mode, OutputSlot, Program, ProgramError, Unit

__all__ = ["InputSlot", "LayerPlan", "Mode", "OutputSlot", "Program", "ProgramError", "Unit"]
