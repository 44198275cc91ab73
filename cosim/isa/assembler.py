"""Text to instruction words and back.

One listing holds the program of one unit::

    frame:                                        # a label; also where @ counts from
        @0     MESH   west_to_rows=all, columns_to_net=even
        @17    ARRAY  precharge, capacitors=5     # a bare name means 1
               NOP    wait=20                     # 20 extra cycles: 21 in all
        @2399  LOOP   frame, count=16, level=0
               HALT

Every field of a bank that is not named is 0. A value is a number or one of the field's names (`all`, `wp1_plus`);
`durations=20` sets every element of an array, `durations[3]=20` one. Numbers are decimal (05 is 5) or hexadecimal
(0xf000_0000). A comment runs from ``#`` to the end of the line.

``@N`` says when the instruction issues: N cycles after the nearest label above it, or after the start of the program.
The assembler fills the gap with the wait of the instruction before it, and with NOPs where that does not reach or would
run in another pass (after a label, LOOP or JUMP). ``WORD 0x...`` takes a word as it is.

Fields and values come from `rtl.isa`; timing is that of docs/fabric.md, "Sequencers".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cosim.files.errors import UserError
from cosim.files.wording import counted
from cosim.isa.numbers import NumberError, parse_number
from cosim.isa.words import Field, Operation, WordError, decode, encode, fields_of, mnemonics, nearest, wait_of
from rtl.config import ChipConfig
from rtl.isa import MAX_WAIT, WORD_BITS, UnitKind

__all__ = ["AssemblyError", "arguments", "assemble", "check_loops", "disassemble", "listing", "program_depth"]

_TOKEN = re.compile(
    r"\s*(?:(?P<at>@\s*[0-9]\w*)|(?P<name>[A-Za-z_]\w*(?:\[[0-9]+\])?)|(?P<number>-?[0-9]\w*)|(?P<sign>[:=,]))"
)

#: Instructions whose wait is theirs: stretching it would change another pass, or the end.
_FIXED = frozenset({"LOOP", "JUMP", "HALT"})
#: Characters of a word that a message shows.
_LONGEST = 60


class AssemblyError(UserError, ValueError):
    """A listing cannot be assembled. The message begins with ``name:line:column``.

    Members
    -------
    line, column : int
        Place in the listing, from 1.
    text : str
        The message without its place.
    """

    def __init__(self, name: str, line: int, column: int, text: str) -> None:
        super().__init__(f"{name}:{line}:{column}: {text}")
        self.line, self.column, self.text = line, column, text


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int
    column: int

    @property
    def shown(self) -> str:
        """The text in a message, cut short where it is long."""
        return repr(self.text) if len(self.text) <= _LONGEST else f"{self.text[:_LONGEST]!r}..."


@dataclass
class _Line:
    """One instruction with its place in the text; `target` still is a label or an address."""

    operation: Operation
    token: _Token
    target: _Token | None = None
    raw: int | None = None


def program_depth(kind: UnitKind, config: ChipConfig) -> int:
    """Words that the program SRAM of a unit of `kind` holds."""
    return config.program_depth if kind is UnitKind.TILE else config.pad_program_depth


def assemble(text: str, kind: UnitKind, config: ChipConfig, name: str = "listing") -> tuple[int, ...]:
    """The 128-bit words of the listing `text` for a unit of `kind`.

    Raises
    ------
    AssemblyError
        On anything that is no legal program of the unit; the message has `name`, line and column, says what was
        expected and what comes nearest.
    """
    return _Assembler(kind, config, name).run(text)


class _Assembler:
    def __init__(self, kind: UnitKind, config: ChipConfig, name: str) -> None:
        self.kind, self.config, self.name = kind, config, name
        self.lines: list[_Line] = []
        self.labels: dict[str, int] = {}
        self.cycle = 0  # since the last label, where the next instruction would issue
        self.fixed = True  # no instruction before this point may be stretched

    def error(self, token: _Token, message: str) -> AssemblyError:
        return AssemblyError(self.name, token.line, token.column, message)

    def number(self, token: _Token) -> int:
        try:
            return parse_number(token.text.removeprefix("@").lstrip())
        except NumberError as error:
            raise self.error(token, str(error)) from None

    def run(self, text: str) -> tuple[int, ...]:
        for number, source in enumerate(text.splitlines(), start=1):
            self.statement(self.tokens(source, number))
        depth = program_depth(self.kind, self.config)
        if len(self.lines) > depth:
            raise self.error(
                self.lines[depth].token,
                f"program has {counted(len(self.lines), 'word')}, the {self.kind.name} SRAM holds {depth}: no room "
                "for this one",
            )
        words = []
        for line in self.lines:
            fields = dict(line.operation.fields)
            if line.target is not None:
                fields["target"] = self.address(line.target)
            try:
                word = encode(self.kind, Operation(line.operation.mnemonic, fields, line.operation.wait))
            except WordError as error:
                raise self.error(line.token, str(error)) from None
            words.append(word if line.raw is None else line.raw)
        problem = check_loops(words, self.kind, self.config)
        if problem is not None:
            index, message = problem
            raise self.error(self.lines[index].token, message)
        return tuple(words)

    def tokens(self, line: str, number: int) -> list[_Token]:
        code = line.split("#", 1)[0].rstrip()
        tokens, at = [], 0
        while at < len(code):
            match = _TOKEN.match(code, at)
            if match is None:
                column = at + len(code[at:]) - len(code[at:].lstrip()) + 1
                token = _Token("bad", code[column - 1], number, column)
                raise self.error(token, f"unexpected {token.shown}; expected a label, an instruction or a field")
            kind = str(match.lastgroup)
            tokens.append(_Token(kind, match[kind], number, match.start(kind) + 1))
            at = match.end()
        return tokens

    def statement(self, tokens: list[_Token]) -> None:
        while len(tokens) > 1 and tokens[0].kind == "name" and tokens[1].text == ":":
            label, tokens = tokens[0], tokens[2:]
            if label.text in self.labels:
                raise self.error(label, f"label {label.shown} is defined twice")
            self.labels[label.text] = len(self.lines)
            self.cycle, self.fixed = 0, True
        at = tokens.pop(0) if tokens and tokens[0].kind == "at" else None
        if not tokens:
            if at is not None:
                raise self.error(at, f"{at.text} must stand before an instruction")
            return
        head, rest = tokens[0], tokens[1:]
        if at is not None:
            self.fill(at, head)
        line = self.word(head, rest) if head.text == "WORD" else self.instruction(head, rest)
        self.lines.append(line)
        wait = line.operation.wait if line.raw is None else wait_of(line.raw)
        self.cycle += wait + 1
        self.fixed = line.raw is not None or line.operation.mnemonic in _FIXED

    def fill(self, at: _Token, head: _Token) -> None:
        gap = self.number(at) - self.cycle
        if gap < 0:
            raise self.error(
                at, f"cycle {at.text[1:].strip()} has passed: the instructions above it end in cycle {self.cycle}"
            )
        if gap > program_depth(self.kind, self.config) * (MAX_WAIT + 1):
            raise self.error(at, f"cycle {at.text[1:].strip()} is further away than a whole program of NOPs")
        self.cycle += gap
        if gap and not self.fixed:
            last = self.lines[-1]
            stretch = min(gap, MAX_WAIT - last.operation.wait)
            last.operation = Operation(last.operation.mnemonic, last.operation.fields, last.operation.wait + stretch)
            gap -= stretch
        while gap:
            span = min(gap, MAX_WAIT + 1)
            self.lines.append(_Line(Operation("NOP", wait=span - 1), head))
            gap -= span

    def word(self, head: _Token, rest: Sequence[_Token]) -> _Line:
        if len(rest) != 1 or rest[0].kind != "number":
            raise self.error(head, "WORD takes one number, e.g. WORD 0xf0000000000000000000000000000000")
        value = self.number(rest[0])
        if not 0 <= value < 1 << WORD_BITS:
            raise self.error(rest[0], f"a word has {WORD_BITS} bits")
        return _Line(Operation("NOP"), head, raw=value)

    def instruction(self, head: _Token, rest: list[_Token]) -> _Line:
        if head.kind != "name" or head.text not in mnemonics(self.kind):
            known = (*mnemonics(self.kind), "WORD")
            raise self.error(
                head, f"unknown instruction {head.shown} of {self.kind.name}; {nearest(head.text.upper(), known)}"
            )
        known_fields = fields_of(self.kind, head.text)
        line = _Line(Operation(head.text), head)
        values: dict[str, int] = {}
        for position, item in enumerate(self.items(rest)):
            if "target" in known_fields and position == 0 and len(item) == 1:
                line.target = item[0]
            else:
                self.assign(head, item, known_fields, values)
        if "target" in known_fields and line.target is None:
            raise self.error(head, f"{head.text} needs a target first: a label or an address, e.g. {head.text} frame")
        wait = values.pop("wait", 0)
        line.operation = Operation(head.text, values, wait)
        return line

    def items(self, tokens: list[_Token]) -> Iterable[list[_Token]]:
        """The comma-separated parts of an instruction. An empty one is an error at the comma."""
        item: list[_Token] = []
        for token in tokens:
            if token.text == ",":
                if not item:
                    raise self.error(token, f"expected a field before {token.shown}")
                yield item
                item = []
            else:
                item.append(token)
        if item:
            yield item
        elif tokens:
            raise self.error(tokens[-1], f"expected a field after {tokens[-1].shown}")

    def assign(self, head: _Token, item: list[_Token], known: dict[str, Field], values: dict[str, int]) -> None:
        key = item[0]
        if key.kind != "name":
            raise self.error(key, f"expected the name of a field, got {key.shown}")
        wait = Field("wait", 0, MAX_WAIT.bit_length())
        elements = [part for part in known.values() if part.name.split("[")[0] == key.text]
        targets = [wait] if key.text == "wait" else [known[key.text]] if key.text in known else elements
        if not targets:
            names = [*known, "wait"]
            raise self.error(key, f"unknown field {key.shown} of {head.text}; {nearest(key.text, names)}")
        if len(item) == 1 and targets[0].width == 1:
            value = 1
        elif len(item) == 3 and item[1].text == "=":
            value = self.value(item[2], targets[0])
        else:
            odd = item[min(len(item) - 1, 1 if len(item) < 3 or item[1].text != "=" else 3)]
            raise self.error(odd, f"expected {key.text}=VALUE and a comma between fields")
        for part in targets:
            if part.name in values:
                raise self.error(key, f"{part.name} is set twice")
            values[part.name] = value

    def value(self, token: _Token, part: Field) -> int:
        if token.kind == "name":
            if token.text not in part.choices:
                help_ = (
                    nearest(token.text, part.choices)
                    if part.choices
                    else f"expected a number, {part.low} to {part.high}"
                )
                raise self.error(token, f"{part.name} has no value {token.shown}; {help_}")
            return part.choices[token.text]
        if token.kind != "number":
            raise self.error(token, f"expected a value for {part.name}, got {token.shown}")
        value = self.number(token)
        try:
            part.encode(value)
        except WordError as error:
            hint = "; a longer pause takes NOPs, or @CYCLE before the next instruction" if part.name == "wait" else ""
            raise self.error(token, f"{error}{hint}") from None
        return value

    def address(self, token: _Token) -> int:
        if token.kind == "name":
            if token.text not in self.labels:
                help_ = nearest(token.text, self.labels) if self.labels else "the listing has no labels"
                raise self.error(token, f"unknown label {token.shown}; {help_}")
            address = self.labels[token.text]
        elif token.kind == "number":
            address = self.number(token)
        else:
            raise self.error(token, f"expected a label or an address, got {token.shown}")
        if not 0 <= address < len(self.lines):
            raise self.error(
                token,
                f"target {token.text} is word {address}, outside the program of {counted(len(self.lines), 'word')}",
            )
        return address


def check_loops(words: Sequence[int], kind: UnitKind, config: ChipConfig) -> tuple[int, str] | None:
    """The first word whose jump or loop cannot work, and why; None if all can."""
    bodies: list[tuple[int, int, int]] = []
    for index, word in enumerate(words):
        try:
            operation = decode(kind, word)
        except WordError:
            continue  # a raw word; the unit halts on it
        if operation.mnemonic not in ("JUMP", "LOOP"):
            continue
        target = operation.fields["target"]
        if target >= len(words):
            return index, f"target {target} lies outside the program of {counted(len(words), 'word')}"
        if operation.mnemonic == "JUMP":
            continue
        level = operation.fields["level"]
        if level >= config.loop_levels:
            return (
                index,
                f"loop level {level} does not exist: levels are 0 to {config.loop_levels - 1} on this chip",
            )
        if target > index:
            return index, f"LOOP must close a body that begins at or before it, its target {target} comes later"
        for start, end, inner in bodies:
            if inner == level and target <= end:
                return (
                    index,
                    f"loop level {level} already counts the loop of words {start}-{end} inside this body; use another",
                )
        bodies.append((target, index, level))
    return None


def disassemble(words: Sequence[int], kind: UnitKind) -> str:
    """The listing of `words`, such that `assemble` gives the same words again.

    Bits that no field holds, and modes that the unit does not know, are printed as ``WORD 0x...``.
    """
    return "".join(f"{line}\n" for _, line in listing(words, kind))


def listing(words: Sequence[int], kind: UnitKind) -> Iterator[tuple[int | None, str]]:
    """The lines of a listing, each with the address of its word; None for a label."""
    operations = [_decoded(kind, word) for word in words]
    targets = sorted({op.fields["target"] for op in operations if op is not None and "target" in op.fields})
    labels = {address: f"at_{address}" for address in targets}
    cycle = 0
    for address, (word, operation) in enumerate(zip(words, operations, strict=True)):
        if address in labels:
            yield None, f"{labels[address]}:"
            cycle = 0
        if operation is None:
            text, wait = f"WORD    {word:#034x}", wait_of(word)
        else:
            parts, wait = list(arguments(kind, operation, labels)), operation.wait
            # The @ of the next instruction gives the wait back, if it may stretch this one.
            followed = address + 1 < len(words) and address + 1 not in labels and operation.mnemonic not in _FIXED
            if wait and not followed:
                parts.append(f"wait={wait}")
            text = f"{operation.mnemonic:<7} {', '.join(parts)}".rstrip()
        yield address, f"    @{cycle:<6} {text}"
        cycle += wait + 1


def _decoded(kind: UnitKind, word: int) -> Operation | None:
    try:
        return decode(kind, word)
    except WordError:
        return None


def arguments(kind: UnitKind, operation: Operation, labels: Mapping[int, str]) -> Iterable[str]:
    """The fields of an operation that are not zero, as a listing has them; `labels` names the targets of jumps."""
    known = fields_of(kind, operation.mnemonic)
    arrays: dict[str, list[int]] = {}
    for name, value in operation.fields.items():
        if "[" in name:
            arrays.setdefault(name.split("[")[0], []).append(value)
    for name, value in operation.fields.items():
        whole = arrays.get(name.split("[")[0], [])
        if name == "target":
            yield labels[value]
        elif not value:
            continue
        elif whole and len(set(whole)) == 1:
            if name.endswith("[0]"):
                yield f"{name.split('[')[0]}={value}"
        elif known[name].choices:
            yield f"{name}={next(label for label, code in known[name].choices.items() if code == value)}"
        else:
            yield name if known[name].width == 1 else f"{name}={value}"
