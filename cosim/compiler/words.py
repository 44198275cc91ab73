"""Operations at given cycles as the words of one unit: a looped frame, or several operations in a row."""

from collections.abc import Sequence
from dataclasses import replace

from cosim.compiler.errors import MappingError
from cosim.files.wording import counted
from cosim.isa.assembler import program_depth
from cosim.isa.words import TILE, Operation, encode
from cosim.program import InputSlot, OutputSlot, Unit
from rtl.config import ChipConfig
from rtl.isa import MAX_WAIT

__all__ = ["IDLE", "PAD_LEAD", "STEP_CYCLES", "frames_per_run", "looped"]

#: Cycles of a step. Source: 300 ns, Nature 620, 768 (2023), Methods.
STEP_CYCLES = 300
#: A pad's loop begins this many cycles before its first action, so that its pointer can be loaded before.
PAD_LEAD = 4
#: The program of a unit that does nothing; the same word for every kind.
IDLE: tuple[int, ...] = (encode(TILE, Operation("HALT")),)


def looped(
    unit: Unit,
    sequence: Sequence[tuple[int, Operation]],
    config: ChipConfig,
    *,
    origin: int,
    period: int,
    frames: int,
    before: Sequence[Operation] = (),
    after: Sequence[Operation] = (),
) -> tuple[int, ...]:
    """Words of a unit that does the same in every frame, and then halts.

    Parameters
    ----------
    unit : Unit
    sequence : sequence of (cycle, Operation)
        Of frame 0, in order.
    config : ChipConfig
    origin : int
        Cycle in which the loop begins.
    period, frames : int
        Cycles of a frame, and how many there are.
    before, after : sequence of Operation
        From cycle 0 on, and behind the last frame.

    Raises
    ------
    MappingError
        If two operations fall into one cycle, or the words do not fit the unit's SRAM.
    """
    writer = _Writer(unit)
    for operation in before:
        writer.issue(writer.cycle, operation)
    writer.wait_until(origin)
    body = writer.begin_body()
    for cycle, operation in sequence:
        writer.issue(cycle, operation)
    writer.issue(origin + period - 1, Operation("LOOP", {"target": body, "count": frames, "level": 0}))
    words = tuple(encode(unit.kind, one) for one in (*writer.operations, *after, Operation("HALT")))
    depth = program_depth(unit.kind, config)
    if len(words) > depth:
        raise MappingError(f"the program of {unit} has {counted(len(words), 'word')}, its SRAM holds {depth}")
    return words


def frames_per_run(
    inputs: Sequence[InputSlot], outputs: Sequence[OutputSlot], asked: int | None, config: ChipConfig
) -> int:
    """Passes of the loop: as many as were asked for, or as the landing pads hold vectors for.

    Raises
    ------
    MappingError
        If the pads hold fewer than that, or none.
    """
    most = min(
        config.ilp_vectors // max(slot.stride for slot in inputs),
        config.olp_vectors // max(slot.stride for slot in outputs),
    )
    if most < 1 or (asked is not None and not 1 <= asked <= most):
        wanted = 1 if asked is None else asked
        raise MappingError(f"the pads' SRAMs hold the vectors of {counted(most, 'frame')}, a run shall have {wanted}")
    return asked or most


class _Writer:
    """Operations at given cycles; the gaps become waits, or NOPs."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.operations: list[Operation] = []
        self.cycle = 0
        self._fixed = True  # nothing before this point may be stretched

    def begin_body(self) -> int:
        """The address of a loop body that begins here."""
        self._fixed = True
        return len(self.operations)

    def issue(self, cycle: int, operation: Operation) -> None:
        self.wait_until(cycle)
        self.operations.append(operation)
        self.cycle += 1
        self._fixed = False

    def wait_until(self, cycle: int) -> None:
        gap = cycle - self.cycle
        if gap < 0:
            raise MappingError(f"{self.unit} is busy until cycle {self.cycle}, but shall issue in cycle {cycle}")
        self.cycle = cycle
        if gap and not self._fixed:
            last = self.operations[-1]
            stretch = min(gap, MAX_WAIT - last.wait)
            self.operations[-1] = replace(last, wait=last.wait + stretch)
            gap -= stretch
        while gap:
            span = min(gap, MAX_WAIT + 1)
            self.operations.append(Operation("NOP", wait=span - 1))
            gap -= span
