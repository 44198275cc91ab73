"""A campaign's results: pictures, `results.json`, and one page that shows all of it."""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table

from cosim.benchmark.machine import describe_machine
from cosim.figures.campaign import Campaign, CampaignError
from cosim.figures.measurement import Finding, Measurement, Unavailable
from cosim.figures.study import Study, said
from cosim.files.archive import write_text
from cosim.files.errors import UserError
from cosim.files.json_text import to_json

__all__ = ["FORMAT", "findings_of", "headlines", "make_report", "print_findings"]

FORMAT = "duramesh figures"
_TEMPLATE = Path(__file__).with_name("report.html")
_COLUMNS = ("what", "here", "the paper", "engine", "data", "seeds")


def make_report(
    campaign: Campaign, studies: Sequence[Study], everything: Iterable[Study], say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure `studies`, draw them, and write results and page into the campaign's folder.

    What the folder already holds of other studies is shown as well.

    Parameters
    ----------
    campaign : Campaign
    studies : sequence of Study
        To measure, unless the folder has them.
    everything : iterable of Study
        All there are, in the order of the report.
    say : callable (line)
        Told when a study is done or left out.

    Returns
    -------
    dict
        What `results.json` holds.

    Raises
    ------
    CampaignError
        If the folder is another campaign's, or earlier code's measurements do not suit this one.
    OutputError
        If the folder cannot be written to.
    """
    campaign.claim()
    asked = {study.name for study in studies}
    results: dict[str, Any] = {}
    sections: list[str] = []
    for study in everything:
        began = perf_counter()
        try:
            found = campaign.measure(study) if study.name in asked else campaign.finished(study)
        except Unavailable as error:
            say(f"{study.name}: left out, {error}")
            results[study.name] = {"title": study.title, "skipped": str(error)}
            sections.append(_skipped(study, str(error)))
            continue
        if found is None:
            continue
        measurement, about = found
        try:
            captions = _draw(study, measurement, campaign.folder)
            section = _section(study, measurement, campaign.folder, captions, about)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            if not campaign.stale or isinstance(error, UserError):
                raise
            raise CampaignError(
                f"{campaign.folder}: earlier code measured {study.name} in another way than this code draws it "
                f"({type(error).__name__}: {error}); without --stale it is measured anew"
            ) from error
        results[study.name] = _result(study, measurement, about, captions)
        sections.append(section)
        if study.name in asked:
            say(f"{study.name}: {len(captions)} figures in {perf_counter() - began:.0f} s")
        _write(campaign, results, sections)  # after each study: an interrupted campaign has a page, too
    return _write(campaign, results, sections)


def _write(campaign: Campaign, results: Mapping[str, Any], sections: Sequence[str]) -> dict[str, Any]:
    machine = describe_machine()
    content = {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {name: machine[name] for name in ("cpu", "cores", "python", "versions")},
        "settings": campaign.settings,
        "studies": dict(results),
    }
    write_text(campaign.folder / "results.json", to_json(content, indent=1) + "\n")
    write_text(campaign.folder / "index.html", _page(content, sections))
    return content


def _draw(study: Study, measurement: Measurement, folder: Path) -> dict[str, str]:
    """Write every figure as SVG and PNG: {name: caption}."""
    from cosim.files.plotting import write_picture

    for figure in study.figures:
        picture = figure.draw(measurement)
        write_picture(picture, folder / f"{figure.name}.svg", metadata={"Date": None})
        write_picture(picture, folder / f"{figure.name}.png")
    return {figure.name: said(figure.caption, measurement) for figure in study.figures}


def _result(
    study: Study, measurement: Measurement, about: Mapping[str, Any], captions: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "title": study.title,
        "settings": dict(about),
        "findings": [asdict(finding) for finding in measurement.findings],
        "numbers": dict(measurement.numbers),
        "figures": {
            name: {"caption": caption, "png": f"{name}.png", "svg": f"{name}.svg"} for name, caption in captions.items()
        },
    }


def headlines(results: Mapping[str, Any]) -> Iterator[Finding]:
    """The findings of all studies that are marked as such."""
    for study in results["studies"].values():
        yield from (finding for finding in findings_of(study) if finding.headline)


def findings_of(study: Mapping[str, Any]) -> list[Finding]:
    """Of a study as results have it."""
    return [Finding(**finding) for finding in study.get("findings", ())]


# The page -------------------------------------------------------------------------------------------------------------


def _page(content: Mapping[str, Any], sections: Sequence[str]) -> str:
    settings, machine = content["settings"], content["machine"]
    links = "".join(
        f'<li><a href="#{escape(name)}">{escape(study["title"])}</a></li>' for name, study in content["studies"].items()
    )
    how = "quick: less of everything, to see that it works" if settings["quick"] else "full"
    lines = {
        "campaign": how,
        "data": _data(settings),
        "chips": f"{settings['chips']} from seed {settings['seed']} on, where a study takes many",
        "devices": f"model {settings['devices']}",
        "constants": settings["constants"] or "nominal",
        "machine": f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}",
        "made": content["made"],
    }
    about = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in lines.items())
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(
        links=links,
        about=about,
        headlines=_table(list(headlines(content))),
        sections="\n".join(sections) or "<p>Nothing yet.</p>",
    )


def _data(settings: Mapping[str, Any]) -> str:
    clips = f"test clips of {settings['audio']}" if settings["audio"] else "synthesised speech, held-out voices"
    return f"{clips}; calibration from {settings['features'] or settings['audio'] or 'synthesised speech'}"


def _skipped(study: Study, reason: str) -> str:
    return (
        f'<section id="{escape(study.name)}"><h2>{escape(study.title)}</h2>'
        f'<p class="skipped">Left out: {escape(reason)}</p></section>'
    )


def _section(
    study: Study, measurement: Measurement, folder: Path, captions: Mapping[str, str], about: Mapping[str, Any]
) -> str:
    pictures = "".join(
        f'<figure id="{escape(name)}"><img alt="{escape(caption)}" src="{_embedded(folder / f"{name}.png")}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for name, caption in captions.items()
    )
    text = " ".join(said(study.about, measurement).split())
    code = ", ".join(digest[:12] for digest in str(about.get("code", "")).split(", "))
    return (
        f'<section id="{escape(study.name)}"><h2>{escape(study.title)}</h2><p>{escape(text)}</p>'
        f"{pictures}{_table(measurement.findings)}"
        f'<p class="source">measured by code {escape(code)}; '
        f"numbers: <code>results.json</code>, studies.{escape(study.name)}</p></section>"
    )


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _table(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in _COLUMNS)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(one)) + "</tr>" for one in findings)
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"


def _cells(finding: Finding) -> tuple[str, ...]:
    paper = f"{finding.paper} ({finding.source})" if finding.paper and finding.source else finding.paper
    return finding.what, finding.text, paper, finding.engine, finding.data, finding.seeds


def print_findings(results: Mapping[str, Any], console: Console) -> None:
    """Every finding of every study as a table."""
    for study in results["studies"].values():
        if "skipped" in study:
            continue
        table = Table(title=study["title"], title_justify="left", box=None, pad_edge=False, header_style="bold")
        for heading in ("what", "here", "the paper", "engine, seeds"):
            table.add_column(heading)
        for one in (Finding(**finding) for finding in study["findings"]):
            table.add_row(one.what, one.text, one.paper, f"{one.engine}, {one.seeds}")
        console.print(table)
        console.print()
