"""Places of values in TOML files, found by a scanner of our own: against what `tomllib` reads there."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.experiment.toml_source import TomlError, TomlSource

TEXT = '''# a comment with "quotes" and [brackets]
name = "one \\"two\\" # three"   # four
numbers = [1, 2.5, [
  3,  # inside
  0x4,
], ]
dotted.key . deep = 'a''b'
"quoted.key" = true
when = 1979-05-27 07:32:00
inline = { a = 1, b = [{ c = "d" }], "e f" = """x"""  }
empty = []
nothing = {}

[table]
text = \'\'\'
first
  second ''\'\'\'
[ table . "sub,table" ]  # spaces
folded = """\\
    one \\
       two\\u0041\\tx
three"""
[[things]]
a = 1
[[things]]
a = 2
[things.part]
b = -inf
'''.replace("'a''b'", "'ab'")


def values(document: Any, key: tuple = ()) -> list[tuple[tuple, Any]]:
    """Every value with its key path, tables and lists included."""
    found = [(key, document)] if key else []
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, value in items:
        found += values(value, (*key, name))
    return found


def check(text: str) -> TomlSource:
    source = TomlSource.parse(text, "x.toml")
    for key, value in values(source.values):
        start, stop = source.spans[key]
        literal = source.text[start:stop]
        if (literal.startswith("[") and not isinstance(value, list)) or literal.startswith("[["):
            continue  # headings
        if not isinstance(value, dict) or literal.startswith("{"):
            assert repr(tomllib.loads(f"x = {literal}")["x"]) == repr(value), key  # NaN is not equal to itself
    return source


def test_every_value_is_found() -> None:
    source = check(TEXT)
    assert source.place("name") == "x.toml:2:8"
    assert source.place("numbers", 2, 1) == "x.toml:5:3"
    assert source.place("dotted", "key", "deep").startswith("x.toml:7:")
    assert source.place("table", "sub,table") == "x.toml:18:1"
    assert source.place("things", 1, "part", "b") == "x.toml:28:5"
    assert source.place("inline", "b", 0, "c") == "x.toml:10:30"
    assert source.place("table", "missing", 3) == "x.toml:14:1"
    assert source.place("missing") == "x.toml:1:1"


def test_places_within_strings() -> None:
    source = TomlSource.parse(TEXT, "x.toml")
    assert source.place_within(("table", "text"), 1, 1) == "x.toml:16:1"
    assert source.place_within(("table", "text"), 2, 3) == "x.toml:17:3"
    folded = ("table", "sub,table", "folded")
    # "one twoA\tx\nthree": line 1 of the value is on two lines of the file.
    assert source.values["table"]["sub,table"]["folded"] == "one twoA\tx\nthree"
    assert source.place_within(folded, 1, 1) == "x.toml:20:5"
    assert source.place_within(folded, 1, 5) == "x.toml:21:8"
    assert source.place_within(folded, 1, 8) == "x.toml:21:11"
    assert source.place_within(folded, 1, 10) == "x.toml:21:19"
    assert source.place_within(folded, 2, 1) == "x.toml:22:1"
    assert source.place_within(folded, 9, 99) == "x.toml:22:6"


_KEYS = st.text("abcXYZ_-019 ,.", min_size=1, max_size=6)
_STRINGS = st.text(st.characters(codec="ascii", exclude_characters="\r\x7f", min_codepoint=9), max_size=12)


def literal(value: Any) -> str:
    """A value as TOML, with blanks and line ends where they may be."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{literal(name)} = {literal(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list):
        return "[ # ]\n" + "".join(f"  {literal(item)} ,\n" for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\u{ord(c):04x}" for c in value)
        if "'" not in value and all(" " <= c <= "~" for c in value) and len(value) % 2:
            return f"'{value}'"
        return f'"{escaped}"'
    return repr(value)


_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-99, 99), st.floats(-9, 9), _STRINGS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=50)
@given(st.dictionaries(_KEYS, _VALUES, max_size=4), st.dictionaries(_KEYS, _VALUES, max_size=3))
def test_any_document(top: dict, table: dict) -> None:
    lines = [f"{literal(name)} = {literal(value)} # = [" for name, value in top.items()]
    lines += ["[ 'the table' . x ] # ]", *(f"{literal(name)}={literal(value)}" for name, value in table.items())]
    source = check("\n".join(lines) + "\n")
    assert source.values["the table"]["x"] == table


@settings(max_examples=50)
@given(st.text(st.characters(codec="ascii", exclude_characters="\r\x7f", min_codepoint=9), min_size=1))
def test_any_place_within_a_string(text: str) -> None:
    source = TomlSource.parse(f"x = {literal(text)}", "f")
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        for column, character in enumerate(line, start=1):
            at = int(source.place_within(("x",), number, column).split(":")[2]) - 1
            shown = source.text[at:]
            if shown.startswith("\\u"):
                assert int(shown[2:6], 16) == ord(character)
            else:
                assert shown[0] == character


@pytest.mark.parametrize(
    ("text", "place"), [("a = 1\nb = ", "2:5"), ("a = 1\na = 2\n", "2:6"), ("[x\n", "1:3"), ('a = "x', "1:7")]
)
def test_syntax_errors_have_a_place(text: str, place: str) -> None:
    with pytest.raises(TomlError, match=rf"^x\.toml:{place}: not valid TOML: "):
        TomlSource.parse(text, "x.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb = 18446744073709551616", "x:2:5: an integer of more than 64 bits"),
        ("a = [1, {b = -9223372036854775809}]", "x:1:14: an integer of more than 64 bits"),
        ("a = 0x" + "f" * 5000, "x:1:5: an integer of more than 64 bits"),
        ("a = 1" + "0" * 400, "x:1:5: an integer of more than 64 bits"),
        ("a = " + "9" * 5000, "x: not valid TOML"),
        ("a = " + "[" * 3000 + "]" * 3000, "x is nested too deeply; expected at most 32 levels"),
        ("a = " + "[" * 40 + "]" * 40, "x is nested too deeply"),
        ("a = " + "{b = " * 500 + "1" + "}" * 500, "x is nested too deeply"),
        ("a." * 5000 + "b = 1", "x is nested too deeply"),
        ("[" + "a." * 5000 + "b]", "x is nested too deeply"),
    ],
    ids=range(10),
)
def test_what_no_experiment_needs_is_refused(text: str, message: str) -> None:
    with pytest.raises(TomlError, match=rf"^{message}") as caught:
        TomlSource.parse(text, "x")
    assert len(str(caught.value)) < 200


def test_integers_of_64_bits_are_read() -> None:
    assert TomlSource.parse("a = 18446744073709551615\nb = -9223372036854775808", "x").values["a"] == (1 << 64) - 1
