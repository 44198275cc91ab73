"""The evidence table of the README, made from the results of a full campaign that are kept in `docs/results.json`.

``python -m cosim.figures.evidence [RESULTS]`` writes it anew; RESULTS, if given, first replaces the kept ones.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cosim.figures.report import FORMAT, headlines
from cosim.files.archive import write_text

__all__ = ["EvidenceError", "keep", "read_results", "renew", "table"]

_BEGIN, _END = "<!-- evidence: made by `make docs` from docs/results.json -->", "<!-- end of evidence -->"


class EvidenceError(ValueError):
    """Results or README are not what the evidence table can be made from or put into; the message says why."""


def read_results(path: Path) -> dict[str, Any]:
    """What `duramesh figures` wrote as `results.json`.

    Raises
    ------
    EvidenceError
        If the file is missing, or holds something else.
    """
    try:
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if results["format"] != FORMAT or not isinstance(results["studies"], dict):
            raise ValueError("another format")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvidenceError(
            f"{path} holds no results ({type(error).__name__}: {error}); expected what `duramesh figures` writes"
        ) from None
    return results


def table(results: Mapping[str, Any]) -> str:
    """Every headline finding as a row of Markdown."""
    lines = ["| what | here | engine, data, seeds | the paper |", "| --- | --- | --- | --- |"]
    for one in headlines(results):
        lines.append(f"| {one.what} | **{one.text}** | {one.engine}; {one.data}; {one.seeds} | {one.paper} |")
    return "\n".join(lines) + "\n"


def renew(readme: str, results: Mapping[str, Any]) -> str:
    """The README's text with the table of these results.

    Raises
    ------
    EvidenceError
        If the text lacks the two marks between which the table stands.
    """
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise EvidenceError(f"the README lacks {_BEGIN if not begin else _END!r}, where the evidence table stands")
    return f"{before}{_BEGIN}\n\n{table(results)}\n{_END}{after}"


def keep(results: Mapping[str, Any], path: Path) -> None:
    """Write results to be kept.

    Raises
    ------
    EvidenceError
        If they are of a quick campaign, which is no evidence.
    """
    if results["settings"]["quick"]:
        raise EvidenceError("these are results of a quick campaign; evidence takes a full one: `make figures`")
    write_text(path, json.dumps(results, indent=1) + "\n")


def main(arguments: list[str]) -> None:
    """Renew the README of the working directory."""
    kept, readme = Path("docs/results.json"), Path("README.md")
    if arguments:
        keep(read_results(Path(arguments[0])), kept)
    write_text(readme, renew(readme.read_text(encoding="utf-8"), read_results(kept)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EvidenceError as error:
        sys.exit(f"error: {error}")
