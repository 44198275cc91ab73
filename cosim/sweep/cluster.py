"""Workers beyond this machine: Dask's, and jobs of Slurm. Both need the extra `cluster`."""

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.files.errors import UserError
from cosim.files.extras import needed
from cosim.files.wording import counted
from cosim.sweep.workers import GB, Given, Pool, cores, free_bytes, prepare_worker

__all__ = ["ClusterError", "Dask", "JobLost", "Slurm"]

_EXTRA = "cluster"
#: Seconds between two looks at the jobs, and to wait for Dask's scheduler.
_LOOK_S, _PATIENCE_S = 0.5, 30
#: A job of Slurm does so large a share of what one job of all would: a killed one loses no more.
_SHARES = 4


class ClusterError(UserError, RuntimeError):
    """There is no such cluster, or it does not answer; the message says what to do."""


class JobLost(RuntimeError):
    """A job ended without a result: killed, out of memory, out of time, or its machine is gone."""


@dataclass(frozen=True)
class Dask:
    """Workers of Dask distributed.

    Parameters
    ----------
    address : str, optional
        Of a scheduler; without one, a cluster is started on this machine.
    count : int, optional
        Workers of a cluster on this machine; by default one a core, as far as memory goes. Elsewhere, tasks that are
        handed out at once are twice as many; by default twice the cluster's threads.
    memory : float
        Bytes a worker of a cluster on this machine.
    """

    address: str | None = None
    count: int | None = None
    memory: float = 2 * GB

    def share(self, tasks: int) -> int:
        return 1

    def __str__(self) -> str:
        return f"Dask at {self.address}" if self.address else f"Dask on this machine, {counted(self._local, 'worker')}"

    @property
    def _local(self) -> int:
        return self.count or max(1, min(cores(), int(free_bytes() // self.memory)))

    @contextmanager
    def opened(self) -> Iterator[Pool]:
        distributed = needed("distributed", _EXTRA, "sweeping with Dask")
        lost = (distributed.KilledWorker, CancelledError)
        with ExitStack() as stack:
            target: Any = self.address
            if target is None:
                target = stack.enter_context(
                    distributed.LocalCluster(
                        n_workers=self._local,
                        threads_per_worker=1,
                        memory_limit=int(self.memory),
                        dashboard_address=None,
                    )
                )
            try:
                client = stack.enter_context(distributed.Client(target, timeout=_PATIENCE_S))
            except (OSError, ValueError) as error:
                raise ClusterError(
                    f"no scheduler of Dask answers at {self.address} ({error}); expected an address like "
                    "tcp://host:8786, as `dask scheduler` prints it"
                ) from None
            window = 2 * (self.count or self._local if self.address is None else sum(client.nthreads().values()) or 8)
            executor = client.get_executor(pure=False)
            try:
                yield Given(executor, window, lost)
            finally:
                executor.shutdown(wait=False)


@dataclass(frozen=True)
class Slurm:
    """Jobs of Slurm, sent with submitit.

    Parameters
    ----------
    partition : str
    folder : Path
        Where submitit keeps what travels; all machines see it.
    jobs : int
        So many are waiting or running at a time.
    memory : float
        Bytes that a job asks for.
    minutes : int
        That a job may take.
    cluster : str
        "slurm", or "local" for processes of this machine in its place: the same way, without Slurm.
    """

    partition: str
    folder: Path
    jobs: int = 16
    memory: float = 2 * GB
    minutes: int = 24 * 60
    cluster: str = "slurm"

    def share(self, tasks: int) -> int:
        """A job takes seconds to start: it does several tasks."""
        return max(1, -(-tasks // (_SHARES * self.jobs)))

    def __str__(self) -> str:
        return f"Slurm, {counted(self.jobs, 'job')} at a time on {self.partition}"

    @contextmanager
    def opened(self) -> Iterator[Pool]:
        submitit = needed("submitit", _EXTRA, "sweeping with Slurm")
        if self.cluster == "slurm" and shutil.which("sbatch") is None:
            raise ClusterError("there is no Slurm here: sbatch is not on PATH; sweep from a login node of the cluster")
        executor = submitit.AutoExecutor(folder=self.folder, cluster=self.cluster)
        executor.update_parameters(timeout_min=self.minutes, cpus_per_task=1, mem_gb=self.memory / GB)
        if self.cluster == "slurm":
            executor.update_parameters(slurm_partition=self.partition)
        jobs = _Jobs(executor, self.jobs, self.memory)
        try:
            yield jobs
        finally:
            jobs.stop()


class _Jobs:
    """Jobs of submitit as futures: a thread looks after them."""

    lost = (JobLost,)

    def __init__(self, executor: Any, window: int, memory: float) -> None:
        self.window = window
        self._executor, self._memory = executor, memory
        self._running: dict[Future[Any], Any] = {}
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        job = self._executor.submit(_prepared, self._memory, function, *arguments)
        with self._lock:
            self._running[future] = job
        return future

    def renew(self) -> bool:
        return False  # the other jobs know nothing of it

    def stop(self) -> None:
        """Cancel what is running or waiting."""
        self._ended.set()
        self._thread.join()
        for job in self._running.values():
            with suppress(Exception):  # it may have ended by itself
                job.cancel(check=False)
        for job in self._running.values():
            with suppress(Exception):
                job.wait()

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_S):
            with self._lock:
                running = list(self._running.items())
            for future, job in running:
                if job.done():
                    with self._lock:
                        del self._running[future]
                    self._end(future, job)

    @staticmethod
    def _end(future: "Future[Any]", job: Any) -> None:
        try:
            kind, value = job.results()[0]
        except Exception as error:  # submitit has a class for each way of losing a job, and some of pickle's
            future.set_exception(JobLost(f"job {job.job_id}: {error}"))
            return
        if kind == "failed":
            future.set_exception(value)
        else:
            future.set_result(value)


def _prepared(memory: float, function: Callable[..., Any], *arguments: Any) -> tuple[str, Any]:
    """What a job does; what it raises comes back as it is."""
    prepare_worker(memory)
    try:
        return "done", function(*arguments)
    except Exception as error:
        return "failed", error
