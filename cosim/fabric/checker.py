"""Whether a program is legal, found out before it runs: what the chip would flag, and what it could not see."""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby, permutations

from cosim.fabric.derivation import Banks, Derivation, FrameDerivation
from cosim.fabric.events import Count, Integrate, Pulse, Schedule, ScheduleError, Write
from cosim.fabric.mesh_graph import IllegalRouteError
from cosim.files.wording import counted
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import ChipImage, Program, Unit

__all__ = ["check", "check_image", "check_mesh", "check_sharing"]


def check(program: Program) -> Schedule:
    """Make sure that a program is legal; its schedule if it is.

    Every unit halts; no wire ever has two drivers and no ring of borderguards is closed; capacitors are shared by both
    sides or by none; nothing integrates during its precharge or from a pulse of another frame; pads load their pointer
    before they use it; vectors are written before they are sent and results stored before they are read; all frames are
    alike, and a second run is like the first.

    Raises
    ------
    ScheduleError, IllegalRouteError
        Naming unit, cycle and wires.
    """
    _check_depths(program)
    derivation = FrameDerivation(program)
    _check_halts(derivation)
    _check_pointers(derivation)
    check_mesh(derivation)
    check_sharing(derivation)
    schedule = derivation.frame(0)
    last = program.frames_per_run - 1
    for frame in sorted({min(1, last), last} - {0}):
        _check_alike(schedule, derivation.frame(frame), f"frame {frame}")
    what = "frame 0 of a second run, which finds the chip as the first one left it,"
    _check_after(program, derivation.banks, schedule, what)
    _check_pads(program, schedule)
    return schedule


def check_image(image: ChipImage) -> dict[str, Schedule]:
    """Make sure that every entry of an image is legal, also after any other one; their schedules if they are.

    Raises
    ------
    ScheduleError, IllegalRouteError
        Naming entry, unit, cycle and wires.
    """
    schedules, left = {}, {}
    for name, program in image.entries.items():
        with _named(f"entry {name}"):
            schedules[name] = check(program)
        left[name] = FrameDerivation(program).banks
    for before, name in permutations(image.entries, 2):
        if _inert(left[before]):
            continue  # as after a reset
        with _named(f"entry {name} after entry {before}"):
            what = "frame 0, which finds the chip as the other left it,"
            _check_after(image.entries[name], left[before], schedules[name], what)
    return schedules


def _inert(left: Banks) -> bool:
    """Whether banks drive nothing: no switch is on, no level high, no capacitors shared, no bias row has a duration."""
    passive = {"ARRAY": ("wp1", "wp2", "discharge", "capacitors")}
    return not any(
        value
        for banks in left.values()
        for bank, fields in banks.items()
        for name, value in fields.items()
        if name not in passive.get(bank, ())
    )


def _check_after(program: Program, left: Banks, first: Schedule, name: str) -> None:
    """A run that finds the banks as another one left them must be like the first one after a reset."""
    derivation = FrameDerivation(program, left)
    check_mesh(derivation)
    check_sharing(derivation)
    _check_alike(first, derivation.frame(0), name)


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Errors say what they are about."""
    try:
        yield
    except (ScheduleError, IllegalRouteError) as error:
        raise type(error)(f"{what}: {error}") from None


def _check_halts(derivation: FrameDerivation) -> None:
    for unit, timeline in derivation.timelines.items():
        if timeline.halted is None:
            raise ScheduleError(
                f"{unit} has not halted after {derivation.end} cycles, two frames more than the run of "
                f"{counted(derivation.program.frames_per_run, 'frame')}"
            )


def check_mesh(derivation: Derivation) -> None:
    """Make sure that no wire ever has two drivers and no ring of borderguards is closed.

    Raises
    ------
    IllegalRouteError
        Naming cycle, place and wires.
    """
    seen: set[tuple] = set()
    for cycle, state in zip(derivation.changes, derivation.states, strict=True):
        sending = _sending(derivation, cycle)
        key = (id(state), tuple(sending))
        if key in seen:
            continue  # frames repeat
        seen.add(key)
        try:
            state.check(sending)
        except IllegalRouteError as error:
            raise IllegalRouteError(f"cycle {cycle}: {error}", cycle) from None


def check_sharing(derivation: Derivation) -> None:
    """Make sure that a tile shares its capacitors only while its partner shares back.

    Raises
    ------
    ScheduleError
        Naming the tile and the cycle in which the chip would set its `fault` flag.
    """
    pairs = dict(derivation.config.floorplan.capacitor_pairs())
    partners = {(north, "share_south"): (south, "share_north") for north, south in pairs.items()}
    partners |= {there: here for here, there in partners.items()}
    writes = [
        (issue.in_force, unit.index, issue.fields)
        for unit in derivation.timelines
        if unit.kind is TILE
        for issue in derivation.writes(unit, "ARRAY")
    ]
    writes.sort(key=lambda write: write[:2])
    shared: set[tuple[int, str]] = set()
    for cycle, group in groupby(writes, key=lambda write: write[0]):
        for _, tile, fields in group:
            for side in ("share_north", "share_south"):
                (shared.add if fields[side] else shared.discard)((tile, side))
        for tile, side in sorted(shared):
            if partners.get((tile, side)) not in shared:
                neighbour = "northern" if side == "share_north" else "southern"
                raise ScheduleError(
                    f"{Unit(TILE, tile)} shares its capacitors in cycle {cycle} with a {neighbour} neighbour that "
                    f"{'does not share back' if (tile, side) in partners else 'it has no capacitor switch to'}",
                    cycle,
                )


def _sending(derivation: Derivation, change: int) -> dict[int, str]:
    """Input landing pads that send at some time between a change of the mesh and the next one.

    A vector of zeros drives its edge for one cycle.
    """
    changes = derivation.changes
    index = bisect_right(changes, change)
    until = changes[index] if index < len(changes) else derivation.end
    names = derivation.config.floorplan.domains
    return {ilp: f"ILP {names[ilp]}" for ilp in derivation.sending(change, until)}


def _check_pointers(derivation: Derivation) -> None:
    """A pointer stays where a run leaves it, so every run must load it."""
    for unit, timeline in derivation.timelines.items():
        for issue in timeline.issues:
            if issue.fields.get("load_pointer"):
                break
            if issue.fields.get("fire") or issue.fields.get("store"):
                raise ScheduleError(
                    f"{unit} uses its pointer in cycle {issue.cycle} without having loaded it; "
                    "a second run would go on where this one ends"
                )


def _check_alike(first: Schedule, later: Schedule, name: str) -> None:
    ours, theirs = first.listing().splitlines(), later.listing().splitlines()
    if ours == theirs:
        return
    for mine, other in zip(ours, theirs, strict=False):
        if mine != other:
            raise ScheduleError(f"{name} differs from frame 0: '{other.strip()}' instead of '{mine.strip()}'")
    raise ScheduleError(f"{name} has {counted(len(theirs), 'event')}, frame 0 has {len(ours)}")


def _check_pads(program: Program, schedule: Schedule) -> None:
    written = {(slot.ilp, slot.slot) for slot in program.inputs}
    stored = {(event.olp, event.slot) for event in schedule.events if isinstance(event, Count)}
    for event in schedule.events:
        for link in event.links if isinstance(event, Integrate | Write | Count) else ():
            source = link.source
            if isinstance(source, Pulse) and (source.ilp, source.slot) not in written:
                raise ScheduleError(f"{Unit(ILP, source.ilp)} sends vector {source.slot}, which no input is written to")
    for output in program.outputs:
        if (output.olp, output.slot) not in stored:
            raise ScheduleError(f"{output.name} is result {output.slot} of {Unit(OLP, output.olp)}, never stored")


def _check_depths(program: Program) -> None:
    last = program.frames_per_run - 1
    for unit, need, depth in (
        *((Unit(ILP, slot.ilp), slot.slot + slot.stride * last, program.config.ilp_vectors) for slot in program.inputs),
        *(
            (Unit(OLP, slot.olp), slot.slot + slot.stride * last, program.config.olp_vectors)
            for slot in program.outputs
        ),
    ):
        if need >= depth:
            raise ScheduleError(
                f"a run of {counted(program.frames_per_run, 'frame')} needs vector {need} of {unit}, it holds {depth}"
            )
