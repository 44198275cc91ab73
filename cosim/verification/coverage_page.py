"""The coverage of a verification as one page of HTML, which needs nothing else."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template

from cosim.files.wording import counted
from cosim.verification.code_coverage import CodeCoverage
from cosim.verification.runner import Verification

__all__ = ["page"]

_TEMPLATE = Path(__file__).with_name("coverage.html")


def page(preset: str, state: Verification, code: CodeCoverage | None = None) -> str:
    """The page: every bin with its hits, and lines and toggles of every module.

    Parameters
    ----------
    preset : str
        The chip's sizes.
    state : Verification
    code : CodeCoverage, optional

    Returns
    -------
    str
        HTML.
    """
    about = {
        "chip": preset,
        "experiments": f"{state.done:,} (seed {state.seed}), {counted(state.cycles, 'program cycle')}",
        "packets": f"{state.packets:,}",
        "mismatches": f'<span class="{"hole" if state.found else "passed"}">{state.found}</span>',
    }
    coverage = state.coverage
    groups = []
    for group, names in coverage.groups.items():
        hit = sum(coverage.hits[name] > 0 for name in names)
        rows = ((name.removeprefix(f"{group} / "), coverage.hits[name]) for name in names)
        groups.append(_group(group, hit, len(names), _table(("bin", "hits"), rows)))
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        about="".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in about.items()),
        functional=f"{coverage.share:.1%}",
        groups="\n".join(groups),
        code=_code(code) if code is not None else "",
    )


def _code(code: CodeCoverage) -> str:
    parts = [
        f"<h2>Code: {code.summary}</h2>",
        "<p>Blocks of the RTL that have run, branches that were taken, and bits of its nets that have gone up and down "
        "in any instance of a module. A module opens to what has no hit; what is waived does not count, for the reason "
        "given.</p>",
    ]
    for module, kinds in code.modules.items():
        points, hit, waived = (sum(numbers) for numbers in zip(*kinds.values(), strict=True))
        holes = [(f"{point.kind} {point.name}", 0) for point in code.holes if point.module == module]
        excused = [(f"{point.kind} {point.name}", why) for point, why in code.waived.items() if point.module == module]
        body = _table(("without a hit", "hits"), holes) + _table(("waived", "because"), excused)
        parts.append(_group(module, hit, points - waived, body))
    return "\n".join(parts)


def _group(name: str, hit: int, total: int, body: str) -> str:
    mark = "" if hit == total else ' class="hole"'
    return (
        f"<details><summary><span>{escape(name)}</span><span{mark}>{hit:,} of {total:,}</span>"
        f'<meter min="0" max="{total}" value="{hit}"></meter></summary>{body}</details>'
    )


def _table(head: Sequence[str], rows: Iterable[tuple[str, int | str]]) -> str:
    lines = []
    for name, value in rows:
        mark = "" if value else ' class="hole"'
        number = ' class="number"' if isinstance(value, int) else ""
        lines.append(f"<tr{mark}><td>{escape(name)}</td><td{number}>{escape(str(value))}</td></tr>")
    if not lines:
        return ""
    return f"<table><tr>{''.join(f'<th>{escape(title)}</th>' for title in head)}</tr>{''.join(lines)}</table>"
