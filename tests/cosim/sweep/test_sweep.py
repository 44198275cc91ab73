"""A sweep's tables are those of its points, whoever did them, in whatever order, and however often it was ended."""

import csv
import errno
import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from cosim.files.errors import OutputError
from cosim.files.json_text import from_json, to_json
from cosim.sweep import Given, Point, Processes, Store, Sweep, SweepError, grid, run
from cosim.sweep import sweep as module
from cosim.sweep.run import WorkersDied, run_all
from cosim.sweep.table import write_table
from cosim.system.checkpoint import CheckpointError
from tests.cosim.sweep.swept import MEMORY, Dying, Greedy, Here, drawn, here, points, shared, subject, sweep, table


def test_processes_give_the_bytes_of_a_thread(expected, tmp_path):
    outcome = sweep(tmp_path, Processes(2, MEMORY))
    assert table(tmp_path) == table(expected)
    assert outcome.fresh == len(points())
    assert {one.host for one in outcome.done}


def test_an_executor_of_ones_own(expected, tmp_path):
    with ThreadPoolExecutor(3) as threads:
        sweep(tmp_path, Given(threads))
    assert table(tmp_path) == table(expected)


def test_what_is_done_is_not_done_again(expected, tmp_path):
    workers = here()
    with Sweep(tmp_path, subject()) as claimed:
        claimed.run(points()[:5], workers)
        outcome = claimed.run(points(), workers)
    assert (outcome.fresh, len(outcome.done)) == (len(points()) - 5, len(points()))
    assert sorted(workers.executor.done) == sorted(point.key for point in points())  # type: ignore[attr-defined]
    assert table(tmp_path) == table(expected)


def test_a_torn_line_is_done_again(expected, tmp_path):
    sweep(tmp_path, here())
    journal = tmp_path / "done.jsonl"
    whole = journal.read_bytes()
    for cut in (1, 40, len(whole.splitlines(keepends=True)[-1])):
        journal.write_bytes(whole[:-cut])
        outcome = sweep(tmp_path, here())
        assert outcome.fresh == (cut > 1)  # without its end a line is a line
        assert table(tmp_path) == table(expected)
        assert len(journal.read_bytes().splitlines()) == len(points())


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line | {"values": {}},
        lambda line: line | {"values": dict.fromkeys(line["values"], "x")},
        lambda line: line | {"values": {**line["values"], "another": 1}},
        lambda line: line | {"wall_s": -1.0},
        lambda line: {name: value for name, value in line.items() if name != "digest"},
        lambda line: [line],
    ],
)
def test_a_line_that_was_changed_is_done_again(expected, tmp_path, change):
    sweep(tmp_path, here())
    journal = tmp_path / "done.jsonl"
    first, *others = journal.read_text().splitlines()
    journal.write_text("\n".join([to_json(change(from_json(first))), *others]))
    assert sweep(tmp_path, here()).fresh == 1
    assert table(tmp_path) == table(expected)
    assert len(journal.read_bytes().splitlines()) == len(points())


def test_a_worker_that_dies_is_replaced(expected, tmp_path):
    sweep(tmp_path, measure=lambda store: Dying(2, drawn(store)))
    assert table(tmp_path) == table(expected)
    assert len(list(tmp_path.rglob("died*"))) == 2


def test_workers_that_only_die_end_the_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "_DEATHS", 1)
    with pytest.raises(WorkersDied, match=r"died 2 times.*enough memory"):
        sweep(tmp_path, measure=lambda store: Dying(1000, drawn(store)))


def test_a_lost_task_of_a_given_executor_is_done_again():
    class Lost(Exception):
        pass

    class Losing(Here):
        left = 3

        def submit(self, function, *arguments):
            if self.left:
                self.left -= 1
                future: Future = Future()
                future.set_exception(Lost())
                return future
            return super().submit(function, *arguments)

    tasks = [points()[:1], points()[1:3]]
    found = dict(run_all(len, tasks, Given(Losing(), 2, (Lost,))))  # type: ignore[arg-type]
    assert found == {tasks[0]: 1, tasks[1]: 2}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process takes")
def test_a_worker_takes_no_more_memory_than_it_may(tmp_path):
    with pytest.raises(SweepError, match=r"chip 0.*out of memory.*--memory"):
        sweep(tmp_path, measure=lambda store: Greedy(drawn(store)))


def test_other_code_is_refused(tmp_path, monkeypatch):
    sweep(tmp_path, here())
    monkeypatch.setattr(module, "code_digest", lambda: "other")
    with pytest.raises(CheckpointError, match=r"code is .* there and other here"):
        sweep(tmp_path, here())


def test_workers_of_other_code_are_refused(monkeypatch):
    point = points()[:1]
    with pytest.raises(SweepError, match=r"has other code .*install the same version"):
        module._points_done(None, "other", point)  # type: ignore[arg-type]


def test_another_sweep_and_a_second_driver_are_refused(tmp_path):
    again = Sweep(tmp_path, subject())
    with Sweep(tmp_path, subject()), pytest.raises(CheckpointError, match="another process is at work"), again:
        pass
    with pytest.raises(CheckpointError, match="belongs to another run"), Sweep(tmp_path, subject(data="other")):
        pass


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CheckpointError, match=r"thesis.txt, but no checkpoint"):
        sweep(tmp_path, here())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path):
    sweep(tmp_path, here())
    (tmp_path / "done.jsonl").unlink()
    tmp_path.chmod(0o500)
    try:
        with pytest.raises((OutputError, CheckpointError)):
            sweep(tmp_path, here())
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk(tmp_path, expected, monkeypatch):
    room = iter(range(3))

    def full(_: int) -> None:
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match=r"done.jsonl cannot be written: No space left"):
            sweep(tmp_path, here())
    sweep(tmp_path, here())
    assert table(tmp_path) == table(expected)


def test_shared_files_that_are_gone_or_damaged_are_told(tmp_path):
    stored = shared(Store(tmp_path))
    (path,) = tmp_path.rglob("values.npz")
    path.write_bytes(b"damaged")
    with pytest.raises(OSError, match="is damaged; the same command"):
        _ = stored.value
    path.unlink()
    with pytest.raises(OSError, match="must see under the same name"):
        _ = stored.value


@pytest.mark.parametrize("damage", ["file", "folder", "missing", "other"])
def test_shared_files_that_are_damaged_are_written_anew(tmp_path, damage):
    """By the same command, given again."""
    stored = shared(Store(tmp_path))
    (path,) = tmp_path.rglob("values.npz")
    if damage == "file":
        path.write_bytes(b"damaged")
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
        if damage == "other":
            path.parent.rmdir()
            path.parent.write_text("no folder")
    again = shared(Store(tmp_path))
    assert (again.path, again.digest) == (stored.path, stored.digest)
    assert again.value.tolist() == np.linspace(0.5, 1.0, 7).tolist()
    assert [place.name for place in tmp_path.iterdir()] == [stored.digest]


def test_equal_things_are_written_once(tmp_path):
    store = Store(tmp_path)
    first, second = shared(store), shared(store)
    assert first.path == second.path
    assert [path.name for path in tmp_path.iterdir()] == [first.digest]


def test_points_that_cannot_be_are_refused_before_the_work():
    for constants, words in (({"pcm.no_such": ["1"]}, "no_such"), ({"age_s": ["86400"]}, "--age")):
        with pytest.raises(ValueError, match=words):
            grid([0], constants=constants)


def test_a_grid_is_every_combination_once():
    found = grid([0, 1, 1], (3600.0, 7200.0), ("pcm", "hermes"), {"pcm.read_noise_scale": ("0", "2.0")})
    assert len(found) == len(set(found)) == len({point.key for point in found}) == 2 * 2 * 2 * 2
    assert found[0].columns() == {"chip": 0, "age_s": 3600.0, "devices": "pcm", "pcm.read_noise_scale": 0.0}
    noisy = Point(devices="hermes", constants=(("pcm.read_noise_scale", "2"),)).analog()
    assert (noisy.devices, noisy.pcm.read_noise_scale) == ("hermes", 2)


def test_csv_where_pyarrow_is_absent(expected, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    outcome = sweep(tmp_path, here())
    assert outcome.results.suffix == ".csv"
    with outcome.results.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["score"]) for row in rows] == [row["score"] for row in outcome.rows]
    assert (rows[0]["missing"], rows[-1]["missing"]) == ("", "1.5")


def test_parquet(expected, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "other.csv").write_text("")
    outcome = sweep(tmp_path / "sweep", here())
    read = parquet.read_table(outcome.results).to_pylist()
    assert [{name: row[name] for name in one} for row, one in zip(read, outcome.rows, strict=True)] == outcome.rows
    large = write_table(tmp_path / "seeds", [{"chip": (1 << 64) - 1}, {"chip": 0}])
    assert parquet.read_table(large).to_pylist() == [{"chip": (1 << 64) - 1}, {"chip": 0}]


def test_work_has_hosts_and_times_and_results_have_not(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    outcome = sweep(tmp_path, here())
    header = outcome.work.read_text().splitlines()[0]
    assert header == "chip,age_s,devices,host,wall_s,cpu_s"
    assert "host" not in outcome.results.read_text().splitlines()[0]
    line = from_json((tmp_path / "done.jsonl").read_text().splitlines()[0])
    assert set(line) == {"point", "values", "host", "wall_s", "cpu_s", "digest"}
