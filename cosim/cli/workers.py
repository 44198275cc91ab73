"""Options that say who does the work, the same for every command that has much of it."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cosim.cli.numbers import RealRange

if TYPE_CHECKING:
    from cosim.sweep import Workers

__all__ = ["worker_options"]

C = TypeVar("C", bound=Callable[..., Any])


def worker_options(command: C) -> C:
    """Give a command `--workers`, `--memory`, `--dask` and `--slurm`.

    It takes as `workers` a callable (bytes that a worker needs, folder that all of them see) -> Workers.
    """

    @click.option(
        "--workers",
        "count",
        type=click.IntRange(1, 100_000),
        help="Workers at a time. Default: one a core, as far as memory goes; of Slurm 16 jobs.",
    )
    @click.option(
        "--memory",
        "memory_gb",
        type=RealRange(0.25, 10_000),
        help="GB that a worker may take. Default: what the work was measured to need.",
    )
    @click.option("--dask", metavar="ADDRESS", help="Dask's scheduler, or 'local' for a cluster on this machine.")
    @click.option("--slurm", metavar="PARTITION", help="Send jobs to a partition of Slurm.")
    @wraps(command)
    def with_workers(
        *args: Any, count: int | None, memory_gb: float | None, dask: str | None, slurm: str | None, **rest: Any
    ) -> Any:
        if dask is not None and slurm is not None:
            raise click.UsageError("--dask and --slurm exclude each other")

        def workers(memory: float, folder: Path) -> "Workers":
            from cosim.sweep.cluster import Dask, Slurm
            from cosim.sweep.workers import GB, Processes

            memory = memory if memory_gb is None else memory_gb * GB
            if dask is not None:
                return Dask(None if dask == "local" else dask, count, memory)
            if slurm is not None:
                return Slurm(slurm, folder / "slurm", count or 16, memory)
            return Processes(count, memory)

        return command(*args, workers=workers, **rest)

    return with_workers  # type: ignore[return-value]
