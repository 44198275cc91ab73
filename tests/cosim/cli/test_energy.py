"""`duramesh energy`: of an image, of a layout, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cosim.cli import main
from cosim.cli.energy import WORKLOADS
from cosim.compiler.matrices import LayoutOptions, lay_out
from cosim.graph import Linear, chain
from cosim.graph.operators.activations import Relu
from cosim.system import BuildOptions, Network, build
from cosim.workloads.predictions.commands import WORKLOADS as KNOWN
from rtl.config import preset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a layout, an image, and samples of it."""
    place = tmp_path_factory.mktemp("energy")
    lay_out({"a": (20, 16)}, [("a",)], LayoutOptions(), preset("small")).save(place / "layout.npz")
    random = np.random.default_rng(0)
    shapes = (20, 16), (16, 4)
    layers = [Linear(random.normal(0, 0.3, shape).astype(np.float32)) for shape in shapes]
    network = Network.of(chain([layers[0], Relu(), layers[1]]))
    samples = [{"x": x} for x in random.normal(0, 1, (20, 20)).astype(np.float32)]
    options = BuildOptions(LayoutOptions(), trials=0)
    build(network, lambda: map(network.walk, samples), options, config=preset("small")).save(place / "image.npz")
    np.save(place / "x.npy", np.stack([sample["x"] for sample in samples]))
    return place


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["energy", *map(str, arguments)])
    return result.exit_code, result.output


def test_an_image_with_a_sample(folder: Path) -> None:
    files = folder / "r.json", folder / "r.png"
    status, text = run(
        folder / "image.npz", "--inputs", folder / "x.npy", "--json", files[0], "--plot", files[1], "--port-gbps", 38.4
    )
    assert status == 0, text
    report = json.loads(files[0].read_text())
    assert report["name"] == "image"
    assert report["sample"]["operations"] == 2 * (20 * 16 + 16 * 4)
    assert sum(report["sample"]["frames"].values()) == len(report["entries"])
    for entry in report["entries"]:
        assert entry["nj"] == pytest.approx(sum(entry["by_supply"].values()))
        assert entry["by_supply"]["1.8 V"] > 0  # over the pins
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert "TOPS/W" in text


def test_steps_follow_one_another(folder: Path) -> None:
    found = []
    for steps in ((), ("--steps", 3)):
        file = folder / "steps.json"
        status, text = run(folder / "image.npz", "--inputs", folder / "x.npy", *steps, "--json", file)
        assert status == 0, text
        found.append(json.loads(file.read_text())["sample"])
    assert found[1]["latency_us"] == pytest.approx(3 * found[0]["latency_us"])
    for arguments, message in (
        (("--steps", 3), "--steps is of a sample; give --inputs as well"),
        (("--inputs", folder / "x.npy", "--steps", "a=0"), "0 is not in the range"),
        (("--inputs", folder / "x.npy", "--steps", "a=2"), "the network has no graph 'a'"),
    ):
        status, text = run(folder / "image.npz", *arguments)
        assert status != 0
        assert message in " ".join(text.split())


def test_a_layout_and_half_durations(folder: Path) -> None:
    found = []
    for duration in (255, 127):
        file = folder / f"{duration}.json"
        status, text = run(folder / "layout.npz", "--duration", duration, "--json", file)
        assert status == 0, text
        (entry,) = json.loads(file.read_text())["entries"]
        found.append(entry["by_mechanism"])
    # Half of what is charged and counted; amplifiers and clock are on as long as before.
    assert found[1]["array"] == pytest.approx(found[0]["array"] * 127 / 255)
    assert found[1]["counters"] < 0.51 * found[0]["counters"]
    assert found[1]["clock and static"] == found[0]["clock and static"]
    assert found[1]["column amplifiers"] == found[0]["column amplifiers"]


def test_twice_the_conductance_is_twice_the_charge(folder: Path) -> None:
    found = []
    for factor in (1, 2):
        file = folder / f"g{factor}.json"
        status, text = run(folder / "layout.npz", "--conductance", factor, "--json", file)
        assert status == 0, text
        found.append(json.loads(file.read_text())["entries"][0]["by_mechanism"])
    assert found[1]["array"] == pytest.approx(2 * found[0]["array"])


def test_a_target_is_no_output_and_pictures_have_a_format(folder: Path) -> None:
    """Before the work: an image that --json would overwrite stays as it is."""
    image = folder / "image.npz"
    before = image.read_bytes()
    for arguments, message in (
        ((image, "--json", image), "is also what"),
        ((image, "--plot", folder / "x.bmp"), "no picture format '.bmp'; end the name in .png or .svg or .pdf"),
        ((image, "--plot", folder / "x"), "no picture format ''"),
    ):
        status, text = run(*arguments)
        assert status == 2, text
        assert message in " ".join(text.split())
    assert image.read_bytes() == before


def test_options_that_would_change_nothing_are_refused(folder: Path) -> None:
    assert WORKLOADS == KNOWN
    for arguments, message in (
        ((folder / "image.npz", "--duration", 127), "--duration is for rnnt, albert, kws, a layout, not for an image"),
        ((folder / "layout.npz", "--lanes", 64), "--lanes is for rnnt, albert, kws, not for a layout"),
        (("kws", "--port-gbps", 38.4), "--port-gbps is for rnnt, albert, an image, a layout, not for kws"),
        (("albert", "--limit", 3), "--limit is for rnnt, not for albert"),
        (("rnnt", "--pipelined"), "--pipelined is for albert, not for rnnt"),
    ):
        status, text = run(*arguments)
        assert status == 2, text
        assert message in " ".join(text.split())


def test_nan_is_in_no_range() -> None:
    for option in ("--conductance", "--layer-ns", "--port-gbps"):
        status, text = run("albert", option, "nan")
        assert status == 2, text
        assert "'nan' is no number" in text


def test_what_is_nothing_to_count_is_said(folder: Path) -> None:
    (folder / "other.npz").write_bytes(b"nothing")
    for arguments, message in (
        (("nothing",), "no such file, and no workload; workloads are rnnt, albert, kws"),
        (("rnnt",), "rnnt needs --manifest"),
        ((folder / "other.npz",), "no system image and no layout"),
        (("albert", "--pads", 3), "3 pads of each kind: this chip has 6"),
        (("albert", "--lanes", 100), "lanes must be a power of two"),
    ):
        status, text = run(*arguments)
        assert status == 1, text
        assert message in text.replace("\n", " ")
