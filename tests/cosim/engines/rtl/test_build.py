"""Cache and build: one process makes what several want, errors show the tool's words, a change makes a new entry."""

import subprocess
import sys
from pathlib import Path

import pytest

from cosim.engines.rtl.build import BuildError, compile_simulator
from cosim.engines.rtl.cache import cache_dir, cached


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DURAMESH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_cached_makes_once(own_cache: Path) -> None:
    made: list[Path] = []

    def make(directory: Path) -> None:
        made.append(directory)
        (directory / "file").write_text("content")

    for _ in range(2):
        entry = cached("things", "key", make)
        assert (entry / "file").read_text() == "content"
    assert entry == own_cache / "things" / "key"
    assert len(made) == 1
    assert cache_dir() == own_cache


def test_failure_leaves_nothing() -> None:
    def fail(directory: Path) -> None:
        (directory / "half").write_text("")
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        cached("things", "key", fail)
    assert [path.name for path in (cache_dir() / "things").iterdir()] == ["key.lock"]
    cached("things", "key", lambda directory: None)


_RACE = """
import sys, time
from pathlib import Path
from cosim.engines.rtl.cache import cached

def make(directory):
    print("made")
    time.sleep(1)
    (directory / "file").write_text("content")

entry = cached("things", "race", make, lambda: print("waited"))
assert (entry / "file").read_text() == "content"
"""


def test_processes_share_one_build() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _RACE], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[4]
        )
        for _ in range(3)
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum("made" in output for output in outputs) == 1


def test_broken_verilog_is_reported_with_its_line(tmp_path: Path) -> None:
    source = tmp_path / "broken.v"
    source.write_text("module broken(input clk);\n  assign x = ;\nendmodule\n")
    with pytest.raises(BuildError, match=r"(?s)verilator_bin ended with status 1.*broken\.v:2.*syntax error"):
        compile_simulator([source], top="broken")


def test_missing_compiler_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(BuildError, match=r"needs a C\+\+ compiler.*apt install"):
        compile_simulator([], top="none")


def test_blank_in_the_cache_path_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURAMESH_CACHE", str(tmp_path / "with blank"))
    with pytest.raises(BuildError, match="has spaces; set DURAMESH_CACHE"):
        compile_simulator([], top="none")
