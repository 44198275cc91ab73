"""docs/signoff.md: what it points to exists, and what is open says so."""

import re
from pathlib import Path

import pytest

from tests.formal.proofs import PROOFS

ROOT = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "signoff.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| item", "| ---"))
]


@pytest.mark.parametrize(("item", "status", "where"), ROWS, ids=[row[0] for row in ROWS])
def test_an_item_has_a_status_and_what_it_names_exists(item: str, status: str, where: str) -> None:
    assert status in ("done", "open", "n/a"), item
    assert where
    named = re.findall(r"(?<!proof )`((?:tests|rtl|cosim)/[^`]+)`", where)
    for reference in named:
        path, _, test = reference.partition("::")
        assert (ROOT / path).exists(), reference
        assert not test or re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.M), reference
    proofs = re.findall(r"proof `([^`]+)`", where)
    assert {name.rpartition("-")[0] for name in PROOFS} >= set(proofs)
    pages = re.findall(r"\]\((\w[\w-]*\.md)", where)
    assert all((ROOT / "docs" / page).is_file() for page in pages)
    for page, anchor in re.findall(r"\]\((\w[\w-]*\.md)#([\w-]+)\)", where):
        titles = re.findall(r"^#+ (.*)", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.M)
        assert anchor in [title.lower().replace(" ", "-") for title in titles], where
    assert named or proofs or pages or status != "done", item


def test_the_rtl_leaves_nothing_to_do() -> None:
    sources = sorted((ROOT / "rtl").glob("*.py"))
    assert sources
    for path in sources:
        assert not re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text(encoding="utf-8")), path
