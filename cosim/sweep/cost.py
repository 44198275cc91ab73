"""What sweeps took, and what larger ones take on a cluster: ``python -m cosim.sweep.cost FOLDER...``.

A point is done by one core. It takes something once, programming and calibrating above all, and something for every
sample that it judges; two sweeps of one workload with different numbers of samples tell them apart.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import Any

import click

from cosim.files.errors import UserError
from cosim.files.json_text import from_json
from cosim.files.typed import typed
from cosim.files.wording import counted
from cosim.sweep.pace import span
from cosim.sweep.table import read_table

__all__ = ["Cost", "CostError", "Took", "costs", "took"]

#: What a workload calls its samples, in what a sweep says of itself.
_SAMPLES = ("clips", "utterances", "examples")


class CostError(UserError, ValueError):
    """A folder says nothing of what a sweep took; the message says why."""


@dataclass(frozen=True)
class Took:
    """A sweep that was done.

    Parameters
    ----------
    workload : str
    samples : int
        That each point judged.
    points : int
    cpu_s, wall_s : float
        Of a point, in the mean.
    """

    workload: str
    samples: int
    points: int
    cpu_s: float
    wall_s: float


@dataclass(frozen=True)
class Cost:
    """What a point of a workload takes.

    Parameters
    ----------
    workload : str
    once_s, sample_s : float
        Seconds of a core: for the point, and for each sample.
    """

    workload: str
    once_s: float
    sample_s: float

    def seconds(self, points: int, samples: int, cores: int) -> float:
        """Time of a sweep: a point does not get faster than its one core."""
        return ceil(points / cores) * (self.once_s + samples * self.sample_s)


def took(folder: Path) -> Took:
    """What a sweep's folder says.

    Raises
    ------
    CostError
        If it holds no finished sweep.
    """
    try:
        run = typed(Mapping[str, Any], from_json((folder / "checkpoint.json").read_bytes())["run"])
        work = read_table(folder / "work")
    except (OSError, KeyError, ValueError) as error:
        raise CostError(f"{folder} holds no finished sweep ({error})") from None
    words = next((str(run[name]) for name in _SAMPLES if name in run), "")
    count = re.match(r"\d+", words)
    if not count or not work:
        raise CostError(f"{folder} does not say how many samples a point judges, or has no point")
    cpu, wall = (fmean(float(row[name] or 0.0) for row in work) for name in ("cpu_s", "wall_s"))
    return Took(str(run["workload"]), int(count[0]), len(work), cpu, wall)


def costs(given: Iterable[Took]) -> list[Cost]:
    """Of every workload of which there are sweeps with few and with many samples, from the fewest and the most."""
    found: dict[str, list[Took]] = {}
    for one in given:
        found.setdefault(one.workload, []).append(one)
    made = []
    for workload, own in found.items():
        few, many = min(own, key=lambda one: one.samples), max(own, key=lambda one: one.samples)
        if few.samples < many.samples:
            sample_s = (many.cpu_s - few.cpu_s) / (many.samples - few.samples)
            made.append(Cost(workload, few.cpu_s - few.samples * sample_s, sample_s))
    return made


def table(given: Sequence[Took]) -> str:
    """What sweeps took, in Markdown."""
    lines = ["| sweep | samples | points | s of a core each | s |", "| --- | ---: | ---: | ---: | ---: |"]
    for one in given:
        cells = (one.workload, f"{one.samples:,}", f"{one.points:,}", f"{one.cpu_s:.1f}", f"{one.wall_s:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("folders", type=click.Path(exists=True, file_okay=False, path_type=Path), nargs=-1, required=True)
@click.option("--points", type=click.IntRange(1), default=1000, show_default=True, help="Of a larger sweep.")
@click.option("--samples", type=click.IntRange(1), help="That each of its points judges. Default: the most so far.")
@click.option("--cores", type=click.IntRange(1), default=1000, show_default=True, help="That do it.")
def main(folders: tuple[Path, ...], points: int, samples: int | None, cores: int) -> None:
    """What sweeps took, and what a larger one takes."""
    try:
        given = [took(folder) for folder in folders]
    except UserError as error:
        raise click.ClickException(str(error)) from None
    click.echo(table(given))
    for one in costs(given):
        most = samples or max(own.samples for own in given if own.workload == one.workload)
        click.echo(
            f"{one.workload}: {one.once_s:,.1f} s of a core for a point and {one.sample_s:.3g} for a sample; "
            f"{counted(points, 'point')} with {counted(most, 'sample')} take "
            f"{span(one.seconds(points, most, cores))} on {counted(cores, 'core')}"
        )


if __name__ == "__main__":
    main()
