"""The thousand chips of docs/sweep.md: ``python -m cosim.sweep.page [FOLDER]``.

The page's table is made of docs/sweep.json, a sweep's `summary.json`; with the sweep's folder both, and the picture,
are taken from there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cosim.files.archive import write_text
from cosim.files.errors import UserError
from cosim.files.json_text import from_json
from cosim.files.marked import put_between
from cosim.sweep.pace import span
from rtl.docs import markdown_table

__all__ = ["renew", "table"]

_BEGIN, _END = "<!-- chips: python -m cosim.sweep.page -->", "<!-- end -->"
#: Figures of keyword spotting that are shares, and their names here.
_FIGURES = {"accuracy": "accuracy", "ratio": "accuracy over software's"}
_COLUMNS = {
    "mean": "mean",
    "std": "standard deviation",
    "min": "smallest",
    "p5": "5 %",
    "median": "median",
    "p95": "95 %",
    "max": "largest",
}


def table(summary: Mapping[str, Any]) -> str:
    """What a sweep of keyword spotting found of its chips, in Markdown: a row a figure, and what it took."""
    (one,) = summary["settings"]
    rows = [[words, *(f"{one['figures'][key][name]:.2%}" for name in _COLUMNS)] for key, words in _FIGURES.items()]
    return (
        f"{markdown_table(['', *_COLUMNS.values()], rows, numbers_from=1)}\n"
        f"{summary['title'][0].upper()}{summary['title'][1:]}; software {one['software']['accuracy']:.2%}. "
        f"{one['figures']['iso']['mean']:.1%} of the {one['chips']:,} chips reach 99 % of software's accuracy, the "
        f"paper's iso limit. {summary['cpu_s'] / summary['points']:.1f} s of a core a chip, "
        f"{span(summary['cpu_s'])} in all.\n"
    )


def renew(page: str, summary: Mapping[str, Any]) -> str:
    """The page with the table of that sweep.

    Raises
    ------
    MarkError
        If the page lacks the marks.
    """
    return put_between(page, _BEGIN, _END, table(summary))


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False)
@click.option("--docs", type=click.Path(exists=True, path_type=Path), default="docs", show_default=True)
def main(folder: Path | None, docs: Path) -> None:
    """Write the table of docs/sweep.md."""
    kept, page = docs / "sweep.json", docs / "sweep.md"
    try:
        if folder is not None:
            write_text(kept, (folder / "summary.json").read_text(encoding="utf-8"))
            picture = (folder / "distribution.svg").read_text(encoding="utf-8")
            write_text(docs / "images" / "sweep-distribution.svg", picture)
        write_text(page, renew(page.read_text(encoding="utf-8"), from_json(kept.read_bytes())))
    except (UserError, OSError, KeyError, ValueError) as error:
        raise click.ClickException(f"{page}: {error}") from None


if __name__ == "__main__":
    main()
