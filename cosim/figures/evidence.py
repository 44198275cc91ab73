"""The README's evidence table and the page with all findings, made from full campaigns' results, kept in `docs/`.

There is one campaign for each device model: `results.json` has the first's, `results-MODEL.json` another's.

``python -m cosim.figures.evidence [RESULTS...]`` writes both anew; studies of RESULTS, if given, first replace the kept
ones of the same name and device model.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analog_models.config import DEVICE_MODELS
from cosim.figures.measurement import Finding
from cosim.figures.registry import STUDIES
from cosim.figures.report import FORMAT, findings_of, headlines
from cosim.files.archive import write_text
from cosim.files.errors import UserError
from cosim.files.json_text import from_json, to_json
from cosim.files.marked import MarkError, between, put_between
from cosim.files.typed import typed

__all__ = ["EvidenceError", "keep", "kept_results", "page", "read_results", "renew", "table"]

_BEGIN, _END = "<!-- evidence: made by `make docs` from docs/results*.json -->", "<!-- end of evidence -->"


#: How the page begins.
_PAGE = """<!-- Written by `make docs` from docs/results*.json; change cosim/figures/evidence.py instead. -->

# Evidence

Every finding of the [studies](figures.md) of full campaigns on the simulated chip, with engine, data, chips and
spread: mean ± standard deviation (smallest to largest). The last column is what the papers print. `make figures`
measures again.
"""


class EvidenceError(UserError, ValueError):
    """Results or README are not what the evidence table can be made from or put into; the message says why."""


def read_results(path: Path) -> dict[str, Any]:
    """What `duramesh figures` wrote as `results.json`.

    Raises
    ------
    EvidenceError
        If the file is missing, or holds something else.
    """
    try:
        results = typed(dict[str, Any], from_json(path.read_bytes()), "it")
        if results.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        settings = typed(dict[str, Any], results.get("settings"), "settings")
        typed(bool, settings.get("quick"), "settings.quick")
        if settings.get("devices") not in DEVICE_MODELS:
            raise ValueError(f"settings.devices must be one of {', '.join(DEVICE_MODELS)}")
        if constants := settings.get("constants"):
            raise ValueError(f"its chips have other than the nominal constants: {constants}")
        studies = typed(dict[str, dict[str, Any]], results.get("studies"), "studies")
        for name, study in studies.items():
            typed(tuple[Finding, ...], study.get("findings", []), f"studies.{name}.findings")
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise EvidenceError(f"{path} holds no results ({error}); expected what `duramesh figures` writes") from None
    return results


def kept_results(docs: Path) -> list[dict[str, Any]]:
    """The results that are kept in a folder, one for each device model that has any; the first model's come first.

    Raises
    ------
    EvidenceError
        As of `read_results`.
    """
    first, *others = (_place(docs, devices) for devices in DEVICE_MODELS)
    return [read_results(path) for path in (first, *(path for path in others if path.exists()))]


def _place(docs: Path, devices: str) -> Path:
    return docs / ("results.json" if devices == next(iter(DEVICE_MODELS)) else f"results-{devices}.json")


def table(*results: Mapping[str, Any]) -> str:
    """The headline findings in Markdown, a row each; beside each other what device models give in the same campaign."""
    return _rows([list(headlines(one)) for one in results], results)


def page(*results: Mapping[str, Any]) -> str:
    """Every finding of every study in Markdown: the page of which `table` is the short form."""
    titles = {name: study.get("title", name) for one in results for name, study in one["studies"].items()}
    parts = [_PAGE]
    for name, title in titles.items():
        findings = [findings_of(one["studies"].get(name, {})) for one in results]
        if any(findings):
            parts.append(f"## {title}\n\n{_rows(findings, results)}")
    return "\n".join(parts)


def _rows(findings: Sequence[Sequence[Finding]], results: Sequence[Mapping[str, Any]]) -> str:
    """Findings of each device model beside those of the same name and engine of the others."""
    models = [f"devices `{one['settings']['devices']}`" for one in results]
    head = ["what", *models, "engine, data, seeds", "the paper"]
    rows = [head, ["---"] * len(head)]
    named = [{(one.what, one.engine): one for one in of_model} for of_model in findings]
    for name in dict.fromkeys(name for of_model in named for name in of_model):
        found = [of_model.get(name) for of_model in named]
        one = next(filter(None, found))
        first, *others = [finding.text if finding else "" for finding in found]
        how = f"{one.engine}; {one.data}; {one.seeds}"
        rows.append([one.what, f"**{first}**" if first else "", *others, how, one.paper])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def renew(readme: str, *results: Mapping[str, Any]) -> str:
    """The README's text with the table of these results.

    Raises
    ------
    MarkError
        If the text lacks the two marks between which the table stands.
    """
    return put_between(readme, _BEGIN, _END, table(*results))


def keep(results: Mapping[str, Any], docs: Path) -> None:
    """Write results to where those of their device model are kept: what a campaign did not measure stays.

    Raises
    ------
    EvidenceError
        If they are of a quick campaign, which is no evidence; or if what is kept cannot be read.
    """
    _check_full(results)
    place = _place(docs, results["settings"]["devices"])
    if place.exists():
        results = _merged(read_results(place), results)
    write_text(place, to_json(results, indent=1) + "\n")


def _merged(kept: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Each study has its settings; those of the whole, and its machine, are the larger campaign's."""
    measured = {name: study for name, study in given["studies"].items() if "skipped" not in study}
    whole, studies = given if kept["studies"].keys() <= measured.keys() else kept, {**kept["studies"], **measured}
    order = [*(name for name in STUDIES if name in studies), *(name for name in studies if name not in STUDIES)]
    return {**whole, "studies": {name: studies[name] for name in order}}


def _check_full(results: Mapping[str, Any]) -> None:
    if results["settings"]["quick"]:
        raise EvidenceError("these are results of a quick campaign; evidence takes a full one: `make figures`")


def main(arguments: list[str]) -> None:
    """Renew the README of the working directory.

    Raises
    ------
    EvidenceError
        Before anything is written, if one of the files is not what it should be.
    """
    docs, readme = Path("docs"), Path("README.md")
    try:
        text = readme.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise EvidenceError(
            f"{readme} cannot be read ({error}); run this in the project's folder, where README.md and docs/ are"
        ) from None
    try:
        between(text, _BEGIN, _END)
    except MarkError as error:
        raise EvidenceError(f"{readme}: {error}") from None
    given = [read_results(Path(argument)) for argument in arguments]
    for results in given:
        _check_full(results)
    for results in given:
        keep(results, docs)
    kept = kept_results(docs)
    write_text(docs / "evidence.md", page(*kept))
    write_text(readme, renew(text, *kept))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
