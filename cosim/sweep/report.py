"""What a sweep found: a summary by setting for machines and people, and pictures."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cosim.files.archive import write_text
from cosim.files.json_text import to_json
from cosim.files.printing import print_table
from cosim.files.wording import counted
from cosim.sweep.pace import span
from cosim.sweep.settings import axes_of, settings_of, shown_value
from cosim.sweep.sweep import Outcome, Shown

__all__ = ["print_summary", "summary", "write_report"]


def summary(outcome: Outcome) -> dict[str, Any]:
    """The sweep in JSON: what was swept, figures of every setting over its chips, and what it cost."""
    work = outcome.done
    return {
        "title": outcome.subject.title,
        "points": len(outcome.points),
        "settings": [
            {
                **one.columns,
                "chips": len(one.rows),
                "figures": {shown.key: _spread(one.values(shown.key)) for shown in outcome.subject.shown},
                "software": {
                    shown.key: _spread(one.values(shown.reference))["mean"]
                    for shown in outcome.subject.shown
                    if shown.reference
                },
            }
            for one in settings_of(outcome)
        ],
        "hosts": sorted({one.host for one in work}),
        "cpu_s": sum(one.cpu_s for one in work),
        "wall_s": sum(one.wall_s for one in work),
        "tables": {"results": outcome.results.name, "work": outcome.work.name},
    }


def _spread(values: NDArray[np.float64]) -> dict[str, float | None]:
    """Mean, standard deviation and quantiles over chips; None where there are none."""
    if not len(values):
        return dict.fromkeys(("mean", "std", "min", "p5", "median", "p95", "max"))
    low, p5, median, p95, high = np.quantile(values, [0, 0.05, 0.5, 0.95, 1])
    std = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"mean": float(values.mean()), "std": std, "min": low, "p5": p5, "median": median, "p95": p95, "max": high}


def write_report(outcome: Outcome, folder: Path) -> dict[str, Path]:
    """Write `summary.json` and the pictures, and say where everything is, {what: path}."""
    from cosim.files.plotting import write_picture  # only now: it takes a second to load
    from cosim.sweep.pictures import draw

    path = folder / "summary.json"
    write_text(path, to_json(summary(outcome), indent=1) + "\n")
    files = {"results": outcome.results, "work": outcome.work, "summary": path}
    for name, figure in draw(outcome).items():
        files[name] = folder / f"{name}.svg"
        write_picture(figure, files[name])
    return files


def print_summary(outcome: Outcome, console: Console) -> None:
    """A line for every setting: its chips, and each figure's mean, spread, smallest and largest."""
    settings, subject = settings_of(outcome), outcome.subject
    names = list(axes_of(settings)) or ["devices"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name.replace("age_s", "age"))
    table.add_column("chips", justify="right")
    for shown in subject.shown:
        table.add_column(shown.words)
        if shown.reference:
            table.add_column("software", justify="right")
    for one in settings:
        cells = [shown_value(name, one.columns[name]) for name in names]
        for shown in subject.shown:
            cells.append(_text(one.values(shown.key), shown))
            if shown.reference:
                cells.append(_text(one.values(shown.reference)[:1], shown))
        table.add_row(*cells[: len(names)], f"{len(one.rows):,}", *cells[len(names) :])
    print_table(console, subject.title, table)
    cpu_s = sum(one.cpu_s for one in outcome.done)
    each = cpu_s / max(1, len(outcome.done))
    console.print(
        f"\n{counted(len(outcome.points), 'point')}, {outcome.fresh:,} of them done now; {each:.1f} s of a core each, "
        f"{span(cpu_s)} in all"
    )


def _text(values: NDArray[np.float64], shown: Shown) -> str:
    if not len(values):
        return "none"
    scaled = shown.factor * values
    unit = f" {shown.unit}" if shown.unit else ""
    if len(values) == 1:
        return f"{scaled[0]:.2f}{unit}"
    if set(np.unique(values)) <= {0.0, 1.0}:
        return f"{scaled.mean():.1f}{unit} of them"
    return f"{scaled.mean():.2f}{unit} ± {scaled.std(ddof=1):.2f} ({scaled.min():.2f} to {scaled.max():.2f})"
