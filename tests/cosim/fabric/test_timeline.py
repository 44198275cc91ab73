"""When a unit issues what: waits, jumps, loops and the end, against a sequencer that steps cycle by cycle."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.fabric.timeline import Interval, Issue, TimelineError, intervals, run
from cosim.isa.assembler import assemble
from cosim.isa.words import ILP, OLP, TILE, Operation, decode, encode
from rtl.config import preset
from rtl.isa import MAX_WAIT

SMALL = preset("small")
LIMIT = 400


def words(text: str) -> tuple[int, ...]:
    """Words of a tile; a semicolon ends a line."""
    return assemble(text.replace(";", "\n"), TILE, SMALL)


def steer(mnemonic: str, wait: int = 0, **fields: int) -> int:
    """A word that the assembler may refuse."""
    return encode(TILE, Operation(mnemonic, fields, wait))


# ---- one unit


@pytest.mark.parametrize(
    ("text", "issued", "halted"),
    [
        ("HALT", [], 1),
        ("HALT wait=9", [], 10),
        ("ARRAY; ARRAY; HALT", [0, 1], 3),
        ("ARRAY wait=4; ARRAY; HALT", [0, 5], 7),
        ("NOP; NOP wait=2; ARRAY; HALT", [4], 6),
        ("JUMP on, wait=3; ARRAY; on: ARRAY; HALT", [4], 6),
        ("a: ARRAY; LOOP a, count=3; HALT", [0, 2, 4], 7),
        ("a: ARRAY; LOOP a, count=1; HALT", [0], 3),
        ("a: ARRAY; LOOP a, count=0; HALT", [0], 3),
        ("a: ARRAY; LOOP a, count=2, wait=4; HALT", [0, 6], 13),
        ("a: LOOP a, count=5; ARRAY; HALT", [5], 7),
        ("a: ARRAY; LOOP a, count=2; LOOP a, count=2, level=1; HALT", [0, 2, 5, 7], 11),
    ],
)
def test_cycles_of_issue(text: str, issued: list[int], halted: int) -> None:
    timeline = run(words(text), TILE, SMALL, LIMIT)
    assert [issue.cycle for issue in timeline.issues] == issued
    assert timeline.halted == halted


def test_an_issue_says_what_and_where() -> None:
    """In force two cycles later; fields that the word does not name are 0; the address is that of the word."""
    first, second = run(words("NOP wait=2; WRITE row=5; a: ARRAY wp1; HALT"), TILE, SMALL, LIMIT).issues
    assert (first.cycle, first.in_force, first.bank, first.address) == (3, 5, "WRITE", 1)
    assert first.fields == {"write": 0, "row": 5, "device": 0, "reset": 0, "return_line": 0}
    assert (second.cycle, second.bank, second.address) == (4, "ARRAY", 2)


@pytest.mark.parametrize(("kind", "text", "bank"), [(ILP, "PULSE fire", "PULSE"), (OLP, "COUNT open", "COUNT")])
def test_pads_run_programs_of_the_same_make(kind, text: str, bank: str) -> None:
    timeline = run(assemble(f"a: {text}\nLOOP a, count=2\nHALT", kind, SMALL), kind, SMALL, LIMIT)
    assert [(issue.cycle, issue.bank) for issue in timeline.issues] == [(0, bank), (2, bank)]
    assert timeline.writes(bank) == timeline.issues
    assert timeline.writes("ARRAY") == ()


def test_a_loop_that_finds_its_level_counting_counts_on() -> None:
    """The second LOOP, of the same level, ends the count of 3 that the first began, whatever its own count."""
    both = (steer("ARRAY"), steer("LOOP", target=2, count=3), steer("LOOP", target=0, count=9), steer("HALT"))
    # LOOP at 1: 2 left, to 2. LOOP at 2: 1 left, to 0. LOOP at 1: 0 left, on to 2, which loads 9.
    timeline = run(both, TILE, SMALL, 8)
    assert [issue.cycle for issue in timeline.issues] == [0, 3, 6]
    assert timeline.halted is None


def test_the_limit_ends_what_goes_on() -> None:
    endless = words("a: ARRAY; JUMP a")
    timeline = run(endless, TILE, SMALL, 5)
    assert [issue.cycle for issue in timeline.issues] == [0, 2, 4]
    assert timeline.halted is None
    assert run(endless, TILE, SMALL, 0).issues == ()


def test_what_the_limit_cuts_is_no_error() -> None:
    """The word behind the program would be met in cycle 100 only."""
    assert run(words("ARRAY wait=99"), TILE, SMALL, 100).halted is None
    with pytest.raises(TimelineError):
        run(words("ARRAY wait=99"), TILE, SMALL, 101)


@pytest.mark.parametrize(
    ("program", "cycle", "issued", "message"),
    [
        (words("ARRAY; NOP wait=3"), 5, 1, r"past its last word, 1 \(the SRAM holds 64\), in cycle 5; end it with"),
        ((), 0, 0, "past its last word"),
        ((steer("JUMP", target=70),), 1, 0, "past its last word, 0"),
        ((*words("ARRAY wait=6"), 9 << 124), 7, 1, "word 1, cycle 7: mode 9 is not defined for TILE"),
        ((steer("NOP"), steer("NOP") | 1), 1, 0, "word 1, cycle 1: bits outside the fields of NOP"),
        ((steer("LOOP", target=0, level=4),), 0, 0, "word 0, cycle 0: loop level 4 does not exist on this chip"),
    ],
)
def test_programs_that_do_not_reach_their_halt(program: tuple[int, ...], cycle: int, issued: int, message: str) -> None:
    with pytest.raises(TimelineError, match=message) as caught:
        run(program, TILE, SMALL, LIMIT)
    assert caught.value.cycle == cycle
    assert len(caught.value.issues) == issued, "what was issued until then"


# ---- any program


def cycle_by_cycle(program: tuple[int, ...], limit: int) -> tuple[list[tuple[int, int, int]], int | str | None]:
    """((cycle, mode, address) of each bank write, what ends it): the bullets of docs/fabric.md, "Sequencers", alone."""
    writes, counters = [], {}
    pc, left, follow, halting = 0, 0, 0, False
    for cycle in range(limit):
        if left == 0:  # a word issues
            if pc >= len(program):
                return writes, "past the end"
            word = program[pc]
            mode, left = word >> 124, (word >> 112 & MAX_WAIT) + 1
            target, count, level = word & 0xFFFF, word >> 16 & 0xFFFF, word >> 32 & 7
            follow = pc + 1
            if mode < 5:
                writes.append((cycle, mode, pc))
            elif mode == 12:
                follow = target
            elif mode == 13:
                if level > 3:
                    return writes, "no such level"
                if level not in counters:
                    counters[level] = count or 1
                counters[level] -= 1
                if counters[level]:
                    follow = target
                else:
                    del counters[level]
            elif mode == 15:
                halting = True
        left -= 1
        if left == 0:
            if halting:
                return writes, cycle + 1
            pc = follow
    return writes, None


@st.composite
def programs(draw: st.DrawFn) -> tuple[int, ...]:
    """Words that all mean something, with any jump and any loop, also such as the assembler refuses."""
    length = draw(st.integers(1, 10))
    waits = st.one_of(st.integers(0, 3), st.integers(0, 60))
    target = st.integers(0, length)
    count, level = st.integers(0, 4), st.integers(0, 4)
    word = st.one_of(
        st.builds(steer, st.sampled_from(["ARRAY", "MESH", "NOP"]), waits),
        st.builds(steer, st.just("JUMP"), waits, target=target),
        st.builds(steer, st.just("LOOP"), waits, target=target, count=count, level=level),
    )
    body = draw(st.lists(word, min_size=length, max_size=length))
    return (*body, steer("HALT", draw(waits))) if draw(st.integers(0, 3)) else tuple(body)


@given(programs(), st.integers(0, LIMIT))
@settings(deadline=None, max_examples=300)
def test_any_program_cycle_by_cycle(program: tuple[int, ...], limit: int) -> None:
    writes, end = cycle_by_cycle(program, limit)
    modes = {"MESH": 0, "ARRAY": 1}
    try:
        timeline = run(program, TILE, SMALL, limit)
        issues, halted = timeline.issues, timeline.halted
    except TimelineError as error:
        assert isinstance(end, str)
        issues, halted = error.issues, end
    else:
        # A HALT that issues before the limit counts, even if its own cycles go on beyond it.
        assert halted == end or (end is None and halted >= limit)
    assert [(issue.cycle, modes[issue.bank], issue.address) for issue in issues] == writes


# ---- levels


def level(*writes: tuple[int, int]) -> tuple[Issue, ...]:
    """Writes (cycle, level) of one bank; `note` is the number of the write."""
    return tuple(Issue(cycle, "ARRAY", {"high": high, "note": note}, note) for note, (cycle, high) in enumerate(writes))


@pytest.mark.parametrize(
    ("writes", "spans"),
    [
        ([], []),
        ([(0, 0), (5, 0)], []),
        ([(0, 1), (5, 0)], [(2, 7, 0)]),
        ([(0, 1), (3, 1), (5, 0)], [(2, 7, 0)]),  # other fields change, the level stays
        ([(0, 1), (5, 0), (6, 1), (9, 0)], [(2, 7, 0), (8, 11, 2)]),
        ([(0, 1), (5, 0), (10, 1)], [(2, 7, 0), (12, 50, 2)]),  # still high at the end
        ([(47, 1)], [(49, 50, 0)]),
        ([(48, 1)], []),  # not before the end
    ],
)
def test_when_a_level_is_high(writes: list[tuple[int, int]], spans: list[tuple[int, int, int]]) -> None:
    """From two cycles after the write that raises it to two after the one that lowers it, with the former's fields."""
    found = intervals(level(*writes), "high", 50)
    assert found == tuple(Interval(start, stop, {"high": 1, "note": note}) for start, stop, note in spans)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1)), unique_by=lambda write: write[0]))
def test_a_level_is_what_was_last_written(writes: list[tuple[int, int]]) -> None:
    writes = sorted(writes)
    found = intervals(level(*writes), "high", 50)
    for cycle in range(50):
        last = [high for issued, high in writes if issued + 2 <= cycle]
        assert any(span.start <= cycle < span.stop for span in found) == bool(last and last[-1])


# ---- loops that write nothing


@st.composite
def loops(draw: st.DrawFn) -> tuple[int, ...]:
    """A short program, mostly of loops and jumps."""
    length, wait = draw(st.integers(1, 8)), st.integers(0, 2)
    back, count, level = st.integers(0, length - 1), st.sampled_from([0, 1, 2, 3, 7, 50]), st.integers(0, 3)
    word = st.one_of(
        st.builds(lambda wait: steer("NOP", wait), wait),
        st.builds(lambda target, wait: steer("JUMP", wait, target=target), st.integers(0, length), wait),
        *[st.builds(lambda t, c, n, w: steer("LOOP", w, target=t, count=c, level=n), back, count, level, wait)] * 2,
        st.sampled_from([steer("ARRAY"), steer("HALT")]),
    )
    return tuple(draw(word) for _ in range(length))


def every_pass(program: tuple[int, ...], limit: int) -> tuple[list[tuple[int, int]], int | None]:
    """(cycle, address) of what is issued, and when the unit halts or leaves its program: pass by pass."""
    counters, issues = [0] * SMALL.loop_levels, []
    pc = cycle = 0
    while cycle < limit:
        if pc >= len(program):
            return issues, cycle
        operation = decode(TILE, program[pc])
        fields, following = operation.fields, pc + 1
        if operation.mnemonic == "HALT":
            return issues, cycle + operation.wait + 1
        if operation.mnemonic == "JUMP":
            following = fields["target"]
        elif operation.mnemonic == "LOOP":
            counters[fields["level"]] = (counters[fields["level"]] or max(fields["count"], 1)) - 1
            following = fields["target"] if counters[fields["level"]] else following
        elif operation.mnemonic != "NOP":
            issues.append((cycle, pc))
        cycle, pc = cycle + operation.wait + 1, following
    return issues, None


@given(loops(), st.sampled_from([10, 100, 2000]))
@settings(max_examples=300, deadline=None)
def test_passes_are_skipped_only_where_that_changes_nothing(program: tuple[int, ...], limit: int) -> None:
    try:
        timeline = run(program, TILE, SMALL, limit)
        issues, end = timeline.issues, timeline.halted
    except TimelineError as error:
        issues, end = error.issues, error.cycle
    assert ([(issue.cycle, issue.address) for issue in issues], end) == every_pass(program, limit)


def test_a_loop_of_any_length_takes_no_time() -> None:
    nest = [steer("LOOP", target=0, count=65535, level=level) for level in range(4)]
    assert run((steer("NOP"), *nest, steer("HALT")), TILE, SMALL, 10**30).halted > 65535**4
    assert run(words("again: JUMP again"), TILE, SMALL, 10**30).halted is None
