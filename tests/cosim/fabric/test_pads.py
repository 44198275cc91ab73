"""Pointers of the landing pads: which vector each PULSE sends, and which result each COUNT stores."""

import pytest

from cosim.fabric.pads import sends, stores
from cosim.fabric.timeline import Issue, run
from cosim.isa.assembler import assemble
from cosim.isa.words import ILP, OLP
from rtl.config import preset

SMALL = preset("small")


def issues(text: str, kind) -> tuple[Issue, ...]:
    """Bank writes of a landing pad's program, one a cycle; a semicolon ends a line."""
    return run(assemble(f"{text}; HALT".replace(";", "\n"), kind, SMALL), kind, SMALL, 100).issues


@pytest.mark.parametrize(
    ("text", "slots", "pointer"),
    [
        ("PULSE", [], 0),
        ("PULSE fire; PULSE fire", [0, 0], 0),
        ("PULSE fire, advance=1; PULSE fire, advance=1; PULSE fire", [0, 1, 2], 2),
        ("PULSE load_pointer, pointer=5; PULSE fire", [5], 5),
        ("PULSE pointer=5; PULSE fire", [0], 0),  # not loaded
        ("PULSE load_pointer, pointer=5, fire, advance=2; PULSE fire", [5, 7], 7),  # loaded, then used, then moved
        ("PULSE load_pointer, pointer=5, advance=2; PULSE fire", [5], 5),  # moved only by a fire
        ("PULSE load_pointer, pointer=7, fire, advance=1; PULSE fire", [7, 0], 0),
        ("PULSE fire, advance=-1; PULSE fire", [0, 7], 7),
        ("PULSE load_pointer, pointer=11; PULSE fire", [3], 3),  # modulo the depth
        ("PULSE fire, advance=19; PULSE fire", [0, 3], 3),
    ],
)
def test_which_vector_is_sent(text: str, slots: list[int], pointer: int) -> None:
    sent, end = sends(issues(text, ILP), 8)
    assert [send.slot for send in sent] == slots
    assert end == pointer


def test_a_send_knows_its_instruction() -> None:
    writes = issues("PULSE; PULSE fire", ILP)
    ((send,), _) = sends(writes, 8)
    assert send.issue is writes[1]


@pytest.mark.parametrize(
    ("text", "found", "pointer"),
    [
        ("COUNT", [], 0),
        ("COUNT open", [], 0),
        ("COUNT open; COUNT store", [(0, 2)], 1),
        ("COUNT open; COUNT store, open; COUNT store", [(0, 2), (1, 3)], 2),  # the old window, then a new one
        ("COUNT open; COUNT open; COUNT store", [(0, 3)], 1),  # the second clears the first
        ("COUNT load_pointer, pointer=7, open; COUNT store; COUNT open; COUNT store", [(7, 2), (0, 4)], 1),
        ("COUNT open; COUNT load_pointer, pointer=4, store", [(4, 2)], 5),  # loaded before the store
        ("COUNT open; COUNT load_pointer, pointer=12; COUNT store", [(4, 2)], 5),  # modulo the depth
        ("COUNT store", [(0, None)], 0),  # no window: nothing moves
        ("COUNT load_pointer, pointer=3, store", [(3, None)], 3),
        ("COUNT open; COUNT store; COUNT store; COUNT open; COUNT store", [(0, 2), (1, None), (1, 5)], 2),
    ],
)
def test_which_result_is_stored(text: str, found: list[tuple[int, int | None]], pointer: int) -> None:
    """(result, first cycle of its window): an `open` issued in cycle t counts from t + 2 on."""
    stored, end = stores(issues(text, OLP), 8)
    assert [(store.slot, store.opened) for store in stored] == found
    assert end == pointer
