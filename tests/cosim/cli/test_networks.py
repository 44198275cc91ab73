"""`duramesh compile`, `infer`, `where`: from a network's file to outputs and devices."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from analog_models.npz import read_npz
from cosim.cli import main
from cosim.cli.networks import ENGINES
from cosim.graph import Linear, chain
from cosim.graph.operators.activations import Relu
from cosim.system.sessions import ENGINES as KNOWN

COMPILE = "compile", "network.npz", "--samples", "x.npy", "--out", "o.npz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a network, samples, and the network's image on small chips."""
    place = tmp_path_factory.mktemp("networks")
    random = np.random.default_rng(0)
    layers = [Linear(random.normal(0, 0.3, shape), random.normal(0, 0.1, shape[1])) for shape in ((20, 16), (16, 4))]
    chain([layers[0], Relu(), layers[1]]).save(place / "network.npz")
    np.save(place / "x.npy", random.normal(0, 1, (40, 20)).astype(np.float32))
    asked = ["compile", "network.npz", "--samples", "x.npy", "--out", "image.npz", "--preset", "small", "--trials", "2"]
    result = run(place, *asked, "--matrix", "linear1=stacked", "--pictures", str(place / "pictures"))
    assert result.exit_code == 0, result.output
    (place / "compile.txt").write_text(result.stdout)
    return place


def run(folder: Path, *arguments: str) -> Result:
    """The command, with names of files in a folder."""
    files = {path.name for path in folder.iterdir()} | {"image.npz", "y.npy", "y.npz", "r.json", "kept", "o.npz"}
    return CliRunner().invoke(main, [str(folder / part) if part in files else part for part in arguments])


def test_engines_are_those_that_there_are() -> None:
    assert tuple(ENGINES.choices) == KNOWN


def test_compile_shows_what_each_chip_holds(folder: Path) -> None:
    shown = (folder / "compile.txt").read_text()
    assert "384" in shown.replace(",", "")  # 20 x 16 and 16 x 4 weights
    assert "image: " in shown
    (picture,) = (folder / "pictures").iterdir()
    assert f"chip 0: {picture}" in shown.replace("\n", "")
    assert "linear1" in picture.read_text()


def test_infer_writes_outputs_and_figures(folder: Path) -> None:
    result = run(
        folder, "infer", "image.npz", "--inputs", "x.npy", "--limit", "6", "--out", "y.npy", "--json", "r.json"
    )
    assert result.exit_code == 0, result.output
    assert np.load(folder / "y.npy").shape == (6, 4)
    figures = json.loads((folder / "r.json").read_text())
    assert (figures["samples"], figures["engine"]) == (6, "twin")
    (seed,) = figures["seeds"]
    assert [layer["node"] for layer in seed["layers"]] == ["linear0", "linear1"]
    assert 0 < seed["errors"]["y"] < 0.5
    assert f"{seed['errors']['y']:.2%} off float" in result.stdout
    assert f"{seed['layers'][0]['own']:.2%}" in result.stdout


def test_seeds_are_chips_of_their_own(folder: Path) -> None:
    shared = ("infer", "image.npz", "--inputs", "x.npy", "--limit", "3", "--out", "y.npz")
    result = run(folder, *shared, "--seeds", "0,2", "--devices", "hermes")
    assert result.exit_code == 0, result.output
    outputs = read_npz(folder / "y.npz")
    assert set(outputs) == {"seed 0 y", "seed 2 y"}
    assert not np.array_equal(outputs["seed 0 y"], outputs["seed 2 y"])
    assert "devices hermes" in result.stdout


def test_float_needs_no_chip_and_has_no_error(folder: Path) -> None:
    result = run(folder, "infer", "image.npz", "--inputs", "x.npy", "--engine", "float")
    assert result.exit_code == 0, result.output
    assert "y: 0.00% off float" in result.stdout
    assert "0 frames" in result.stdout


def test_a_run_that_is_kept_is_not_run_again(folder: Path) -> None:
    shared = ("infer", "image.npz", "--inputs", "x.npy", "--limit", "4", "--checkpoint", "kept", "--json", "r.json")
    first, again = run(folder, *shared), run(folder, *shared)
    assert first.exit_code == again.exit_code == 0, first.output + again.output
    figures = json.loads((folder / "r.json").read_text())["seeds"][0]
    assert figures["frames"] == 0
    assert len(figures["layers"]) == 2
    other = run(folder, *shared, "--set", "pcm.g_max_us=20")
    assert other.exit_code == 1
    assert "belongs to another run" in other.output


def test_where_shows_devices(folder: Path) -> None:
    result = run(folder, "where", "image.npz", "linear1", "15", "3", "--seed", "0")
    assert result.exit_code == 0, result.output
    assert "stacked block linear1" in result.stdout
    assert result.stdout.count("target") == result.stdout.count("programmed") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("where", "image.npz", "linear7", "0", "0"), "no layer 'linear7'"),
        (("where", "network.npz", "linear0", "0", "0"), "not a duramesh system"),
        (("infer", "image.npz", "--inputs", "network.npz"), "takes x"),
        (("infer", "image.npz", "--inputs", "x.npy", "--recalibrate"), "add --age"),
        (
            ("infer", "image.npz", "--inputs", "x.npy", "--engine", "ideal", "--seeds", "0-9"),
            "ideal all give",
        ),
        (("compile", "x.npy", "--samples", "x.npy", "--out", "o.npz"), "no network that we read"),
        (
            ("compile", "network.npz", "--samples", "x.npy", "--out", "o.txt"),
            "no image format '.txt'; end the name in .npz",
        ),
        (("infer", "image.npz", "--inputs", "x.npy", "--out", "y.txt"), "end the name in .npy or .npz"),
        (("compile", "network.npz", "--samples", "x.npy", "--out", "o.npz", "--matrix", "stacked"), "pattern=mode"),
        (
            ("compile", "network.npz", "--samples", "x.npy", "--out", "o.npz", "--copies", "fc*=2"),
            "no matrix is called",
        ),
    ],
)
def test_what_cannot_be_is_said(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(folder, *arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output
