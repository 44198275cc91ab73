"""docs/traceability.md: every sentence of docs/fabric.md stands there, with tests, proofs and bins that exist.

The page is written by hand. A sentence that is new or has changed has to be looked at again, and so has a test that
has gone.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from cosim.verification import bins
from rtl.config import preset
from tests.formal.proofs import PROOFS

ROOT = Path(__file__).parents[1]
#: What the page says of a sentence that nothing can contradict.
NO_CLAIM = {"definition", "explanation", "reference"}


def plain(text: str) -> str:
    """Without emphasis, on one line: as the proofs quote it."""
    return " ".join(text.replace("*", "").split())


def sentences(page: str) -> list[tuple[str, str]]:
    """(section, sentence) of a page in its order; a line of a table is a sentence, its cells joined by dots."""
    found: list[tuple[str, str]] = []
    section, block = "", ""

    def end() -> None:
        nonlocal block
        for sentence in re.split(r"(?<=[^.]\.) (?=[A-Z0-9`*(])|(?<=[^.]\.\)) ", block):
            if sentence:
                found.append((section, plain(sentence)))
        block = ""

    for line in page.splitlines():
        item = re.match(r"(?:- |\d\. )(.*)", line)
        if not line or line.startswith(("#", "|")) or item:
            end()
        if line.startswith("#"):
            section = line.lstrip("# ")
        elif line.startswith("| ---"):
            found.pop()  # the table's head
        elif line.startswith("|"):
            found.append((section, plain(" · ".join(cell.strip() for cell in line.strip("|").split("|")))))
        else:
            block += f"{' ' * bool(block)}{item[1] if item else line.strip()}"
    end()
    return found


SENTENCES = sentences((ROOT / "docs" / "fabric.md").read_text(encoding="utf-8"))


def listed() -> list[tuple[str, str, str]]:
    """(section, sentence, what checks it) of docs/traceability.md."""
    found = []
    section = sentence = ""
    for line in (ROOT / "docs" / "traceability.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("- "):
            sentence = line[2:]
        elif line.startswith("  - "):
            found.append((section, sentence, line[4:]))
    return found


LISTED = listed()


def references(checks: str, kind: str) -> list[str]:
    """What stands in backquotes behind the word `kind`; behind none, for ``kind=""``."""
    return [name for word, name in re.findall(r"(?:^|, )(\w*) ?`([^`]+)`", checks) if word == kind]


@cache
def names_in(file: str) -> frozenset[str]:
    """Names of the tests in a file: pytest's, and those that cocotb runs inside a simulator."""
    found = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = any("cocotb.test" in ast.unparse(decorator) for decorator in node.decorator_list)
            if inside or node.name.startswith("test_"):
                found.add(node.name)
    return frozenset(found)


def test_every_sentence_is_listed_in_its_place() -> None:
    assert [(section, sentence) for section, sentence, _ in LISTED] == SENTENCES


@pytest.mark.parametrize(("sentence", "checks"), [entry[1:] for entry in LISTED], ids=lambda text: text[:40])
def test_what_checks_a_sentence_exists(sentence: str, checks: str) -> None:
    if checks in NO_CLAIM:
        return
    tests, proofs, hit = (references(checks, kind) for kind in ("", "proof", "bin"))
    assert tests or proofs or hit, checks
    for test in tests:
        file, _, name = test.partition("::")
        assert name in names_in(file), test
    assert {f"{proof}-prove" for proof in proofs} <= PROOFS.keys()
    assert set(hit) <= {name for names in bins(preset()).values() for name in names}
    assert checks == ", ".join(
        [
            *(f"`{test}`" for test in tests),
            *(f"proof `{proof}`" for proof in proofs),
            *(f"bin `{name}`" for name in hit),
        ]
    )


def test_sentences_that_proofs_quote_name_the_proof() -> None:
    for proof in PROOFS.values():
        if proof.mode != "prove":
            continue
        title = proof.name.rpartition("-")[0]
        for claim, quotation in proof.bench().claims.items():
            quoted = [checks for _, sentence, checks in LISTED if quotation and quotation in sentence]
            assert not quotation or any(title in references(checks, "proof") for checks in quoted), (
                title,
                claim,
                quotation,
            )
