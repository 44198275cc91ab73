"""Dask's workers and jobs of submitit give the bytes of processes of this machine."""

import logging
import sys

import pytest

from cosim.files.extras import MissingPackage
from cosim.sweep import SweepError, cluster
from cosim.sweep.cluster import ClusterError, Dask, Slurm
from tests.cosim.sweep.swept import MEMORY, Dying, Refusing, drawn, sweep, table

#: submitit and Dask leave sockets and event loops to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


def test_two_workers_of_dask(expected, tmp_path):
    pytest.importorskip("distributed")
    sweep(tmp_path, Dask(count=2, memory=2 * MEMORY))
    assert table(tmp_path) == table(expected)


@pytest.fixture
def jobs(tmp_path, monkeypatch) -> Slurm:
    """Two jobs for all points, run by submitit on this machine."""
    pytest.importorskip("submitit")
    monkeypatch.setattr(cluster, "_SHARES", 1)
    return Slurm("any", tmp_path / "slurm", jobs=2, memory=MEMORY, cluster="local")


def test_jobs_of_submitit_of_which_one_is_lost(expected, tmp_path, jobs):
    sweep(tmp_path / "sweep", jobs, measure=lambda store: Dying(1, drawn(store)))
    assert table(tmp_path / "sweep") == table(expected)
    assert len(list(tmp_path.rglob("died*"))) == 1


def test_an_error_of_a_point_comes_back_from_a_job_as_it_is(tmp_path, jobs):
    with pytest.raises(SweepError, match=r"chip 0.* cannot be"):
        sweep(tmp_path / "sweep", jobs, chips=1, measure=lambda store: Refusing())


def test_no_slurm_here(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ClusterError, match="sbatch is not on PATH"):
        sweep(tmp_path, Slurm("any", tmp_path / "slurm"))


def test_no_scheduler_at_an_address(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_PATIENCE_S", 0.5)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with pytest.raises(ClusterError, match=r"no scheduler of Dask answers at tcp://127.0.0.1:9"):
        sweep(tmp_path, Dask("tcp://127.0.0.1:9"))


@pytest.mark.parametrize(("module", "workers"), [("distributed", Dask()), ("submitit", None)])
def test_without_the_extra_it_is_named(module, workers, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackage, match=r"duramesh\[cluster\]"):
        sweep(tmp_path, workers or Slurm("any", tmp_path / "slurm"))
