"""Bad input to `duramesh run`: a message that says what, where and how to mend it, and nothing changed.

"Nothing changed" is: no output appears, no half-written file, and an output that was there keeps its content.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cosim.cli import main
from cosim.cli.run import SUFFIXES as CHECKED
from cosim.compiler.router import Connection, RouteError, Router
from cosim.experiment import Experiment
from cosim.experiment.report import SUFFIXES
from cosim.fabric.mesh_graph import Place
from rtl.config import preset

SMALL = preset("small")
OLD = b"an earlier record"


class Bench:
    """A folder with an experiment, and outputs of an earlier run that must survive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "e.toml"
        self.old = [folder / f"old{suffix}" for suffix in (".npz", ".json", ".csv", ".txt")]
        for path in self.old:
            path.write_bytes(OLD)
        self.new = folder / "new.json"

    def run(self, text: str = "", *options: str, file: Path | None = None) -> Result:
        if text:
            self.file.write_text('preset = "small"\n' + text)
        outputs = [f"--out={path}" for path in (*self.old[:3], self.new)]
        arguments = ["run", str(file or self.file), *outputs, f"--timeline={self.old[3]}", *options]
        return CliRunner().invoke(main, arguments)

    def refused(self, message: str, text: str = "", *options: str, **rest: Path) -> None:
        """The run is refused with `message` (a regular expression), and nothing has changed."""
        before = self.content()
        result = self.run(text, *options, **rest)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit), result.exception
        assert re.search(message, result.output, re.DOTALL), result.output
        after = self.content()
        after.pop("e.toml", None)
        before.pop("e.toml", None)
        assert after == before

    def content(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def tile(listing: str, index: int = 0) -> str:
    return f"[tile.{index}]\nprogram = '''\n{listing}'''\n"


def pad(kind: str, listing: str) -> str:
    return f"[{kind}.0]\nprogram = '''\n{listing}'''\n"


RING = tile("MESH south_to_net=all, net_to_east=all\nHALT\n", 2) + "".join(
    tile(f"{'NOP wait=9' * (index == 0)}\nMESH {switches}\nHALT\n", index)
    for index, switches in (
        (0, "east_to_net=all, net_to_south=all"),
        (1, "south_to_net=all, net_to_west=all"),
        (3, "west_to_net=all, net_to_north=all"),
    )
)
RING = RING.replace("south_to_net=all, net_to_east=all", "north_to_net=all, net_to_east=all")
CLASH = tile("@40 MESH west_to_net=all, north_to_net=odd\nHALT\n")


# ---- what an engine that checks beforehand refuses


def test_contention(bench: Bench) -> None:
    message = r"e is not legal, so the twin cannot run it: cycle 42: net of tile \(0, 0\), odd wires 1-15: driven by "
    bench.refused(message + "north_to_net of tile .* and west_to_net of tile", CLASH, "--engine=twin")


def test_closed_ring_of_borderguards(bench: Bench) -> None:
    message = r"cycle 12: closed ring of borderguards, wires 0-15: .* -> net of tile \(0, 0\)"
    bench.refused(message, RING, "--engine=twin")


def test_program_past_its_end(bench: Bench) -> None:
    """What happened until then is reported."""
    result = bench.run(tile("MESH wait=8\n"), "--engine=twin", f"--routes={bench.folder / 'r.svg'}")
    assert result.exit_code == 1
    message = r"Error: .*TILE 0 runs past its last word, 0 \(the SRAM holds 64\), in cycle 9; end it with HALT or JUMP"
    assert re.search(message, result.output)
    assert "stopped        in cycle 8" in result.output
    assert all(path.read_bytes() != OLD for path in bench.old)
    assert "MESH" in bench.old[3].read_text()


def test_store_without_a_window(bench: Bench) -> None:
    message = "OLP 0 stores in cycle 3 without an open window"
    bench.refused(message, pad("olp", "NOP wait=2\nCOUNT store\nHALT\n"), "--engine=twin")


def test_controls_that_contradict_each_other(bench: Bench) -> None:
    during = tile("ARRAY precharge, integrate\nARRAY\nHALT\n")
    bench.refused("TILE 0 integrates in cycles 2-2 during its precharge", during, "--engine=twin")
    changed = tile("ARRAY integrate\nARRAY integrate, wp1\nARRAY\nHALT\n")
    bench.refused("TILE 0 changes its ARRAY bank in cycle 3 while it integrates", changed, "--engine=twin")
    alone = tile("ARRAY share_south\nHALT\n")
    bench.refused("TILE 0 shares its capacitors in cycle 2 with a southern .* not share back", alone, "--engine=twin")
    nobody = tile("ARRAY share_north\nHALT\n")
    bench.refused(
        "TILE 0 shares .* with a northern neighbour that it has no capacitor switch to", nobody, "--engine=twin"
    )


@pytest.mark.parametrize("engine", ["twin", "golden", pytest.param("rtl", marks=pytest.mark.cosimulation)])
def test_physics_without_an_answer(bench: Bench, engine: str) -> None:
    message = r"e, cycle 2: tile 0 integrates or reads out before its first precharge; let its program raise and lower"
    bench.refused(message, tile("READOUT ramp\nREADOUT\nHALT\n"), f"--engine={engine}")


# ---- what no engine takes


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (r"e\.toml:4:6: TILE 0: target 9 is word 9, outside the program of 2 words", tile("JUMP 9\nHALT\n")),
        (
            r"e\.toml:7:1: TILE 0: loop level 0 already counts the loop of words 1-2 inside this body; use another",
            tile("outer: NOP\ninner: NOP\nLOOP inner, count=2\nLOOP outer, count=2\nHALT\n"),
        ),
        (
            r"e\.toml:4:1: TILE 0: loop level 4 does not exist: levels are 0 to 3",
            tile("LOOP 0, count=2, level=4\nHALT\n"),
        ),
        (
            r"e\.toml:4:10: TILE 0: wait must be 0 to 4095, got 4096; a longer pause takes NOPs, or @CYCLE before",
            tile("NOP wait=4096\nHALT\n"),
        ),
        (
            r"e\.toml:68:1: TILE 0: program has 66 words, the TILE SRAM holds 64: no room for this one",
            tile("NOP\n" * 65 + "HALT\n"),
        ),
        (
            r"e\.toml:7:11: result 1 of OLP 0 is read, but never stored; its program stores only 0",
            pad("olp", "COUNT open\nCOUNT store\n") + "results = [0, 1]\n",
        ),
        (
            r"e\.toml:3:11: ILP 0 sends vector 1 in cycle 5, but the file writes 1; add it to vectors, e.g. 0 for an",
            pad("ilp", "PULSE fire, advance=1\n@5 PULSE fire\n") + "vectors = [7]\n",
        ),
        (
            r"e\.toml:6:12: vector 0 has 15 codes, this chip's have 16",
            pad("ilp", "HALT\n") + f"vectors = [{[1] * 15}]\n",
        ),
        (
            r"e\.toml:6:15: weight of row 3, column 2 is nan; expected -1 to 1",
            tile("HALT\n")
            + "weights.wp1 = "
            + str([[0] * 16] * 3 + [[0, 0, "nan", *[0] * 13]] + [[0] * 16] * 12).replace("'nan'", "nan"),
        ),
        (
            r"e\.toml:2:1: there is no tile '4'; this chip has tiles 0 to 3, or squares '0,0' to '1,1'",
            tile("HALT\n", 4),
        ),
        (r"e\.toml:2:10: cycles must be a whole number, 1 or more, got 0", "cycles = 0\n" + tile("HALT\n")),
        (r"e\.toml:2:8: not valid TOML: Invalid value", "seed = ?\n"),
    ],
    ids=[
        "jump",
        "nesting",
        "level",
        "wait",
        "length",
        "result",
        "unwritten",
        "vector",
        "NaN",
        "tile",
        "cycles",
        "syntax",
    ],
)
def test_refused_before_it_runs(bench: Bench, message: str, text: str) -> None:
    bench.refused(message, text)


def test_truncated_npz(bench: Bench) -> None:
    bench.file.write_text('preset = "small"\n' + tile("HALT\n"))
    path = bench.folder / "saved.npz"
    Experiment(SMALL, {}).save(path)
    path.write_bytes(path.read_bytes()[:-40])
    bench.refused(r"saved\.npz holds no experiment, or only part of one .*; write it again", file=path)


def test_npz_of_something_else(bench: Bench) -> None:
    path = bench.folder / "other.npz"
    np.savez(path, a=np.arange(3))
    bench.refused(r"other\.npz holds no experiment", file=path)


def test_unroutable_request() -> None:
    """Two vectors for one row block: refused with what is in the way; the router serves the next request as before."""
    router, rows = Router(SMALL), (Place("rows", 0),)
    first, second = Connection(Place("ilp", 0), rows), Connection(Place("outputs", 3), rows)
    alone = router.route([first])
    message = (
        r"no way from outputs of tile \(1, 1\) to rows of tile .*in the way: .*rows of tile \(0, 0\) carries ILP W"
    )
    with pytest.raises(RouteError, match=message):
        router.route([first, second])
    (again,) = router.route([first])
    assert again.arcs == alone[0].arcs


def test_outputs_are_checked_before_the_run(bench: Bench) -> None:
    """Their formats are those that can be written."""
    assert CHECKED == SUFFIXES
    for option, message in {
        "--out=x.xml": "x.xml: no record format '.xml'; end the name in .npz or .json or .csv",
        "--routes=r.png": "r.png: no picture format '.png'; end the name in .svg",
        "--save=e.dat": "e.dat: no experiment format '.dat'; end the name in .npz",
    }.items():
        before = bench.content()
        result = bench.run(tile("HALT\n"), option)
        assert result.exit_code == 2
        assert message in " ".join(result.output.split())
        assert set(bench.content()) - set(before) <= {"e.toml"}


def test_waves_of_an_engine_without_any(bench: Bench) -> None:
    before = bench.content()
    result = bench.run(tile("HALT\n"), "--engine=twin", f"--waves={bench.folder / 'w'}")
    assert result.exit_code == 2
    assert "only the RTL has waves, the engine is twin; add --engine rtl" in result.output
    assert {**bench.content(), "e.toml": b""} == {**before, "e.toml": b""}


# ---- what the chip itself reports: the record is written, the exit status says that it is one of an error


@pytest.mark.parametrize("engine", ["golden", pytest.param("rtl", marks=pytest.mark.cosimulation)])
@pytest.mark.parametrize(
    ("text", "report"),
    [
        (CLASH, r"first in cycle 44 of the program\):\s+TILE 0 \(square \(0, 0\)\): contention .* on net"),
        (
            "cycles = 20\n" + pad("olp", "NOP wait=2\nCOUNT store\nHALT\n"),
            r"first in cycle 5 of the program\):\s+OLP 0 \(domain W\): illegal instruction",
        ),
        (
            tile("ARRAY precharge, integrate\nARRAY\nHALT\n"),
            r"first in cycle 3 of the program\):\s+TILE 0 \(square \(0, 0\)\): fault: analog controls",
        ),
        (
            tile("NOP\nWORD 0x60000000000000000000000000000000\n"),
            r"first in cycle 2 of the program\):\s+TILE 0 \(square \(0, 0\)\): illegal instruction",
        ),
    ],
    ids=["contention", "store", "fault", "mode"],
)
def test_error_flags_are_reported_and_recorded(bench: Bench, text: str, report: str, engine: str) -> None:
    result = bench.run(text, f"--engine={engine}")
    assert result.exit_code == 1
    assert re.search(report, result.output), result.output
    assert all(path.read_bytes() != OLD for path in bench.old)
    assert bench.new.is_file()
