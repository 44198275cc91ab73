"""Digests name what something was made from: by content and by where parts end, and the same tomorrow."""

from cosim.files.digest import digest


def test_digest_tells_where_parts_end() -> None:
    assert digest(["ab", "c"]) != digest(["a", "bc"])
    assert digest(["ab", ""]) != digest(["ab"])
    assert digest(["ab"]) == digest([b"ab"])


def test_order_counts_and_any_iterable_will_do() -> None:
    assert digest(["a", "b"]) != digest(["b", "a"])
    assert digest(iter(["a", "b"])) == digest(("a", "b"))


def test_a_digest_stays_what_it_is() -> None:
    """Caches and checkpoints live longer than a process."""
    assert digest([]) == "e3b0c44298fc1c149afbf4c8"
    assert digest(["ä"]) == digest(["ä".encode()])
    assert len(digest(["a"])) == 24


def test_names_of_files_may_be_no_text() -> None:
    assert digest(["a\udcff"]) != digest(["a\udcfe"])
