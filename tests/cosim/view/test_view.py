"""The page of `duramesh view`: all that is on it, nothing from elsewhere, and what is refused."""

import webbrowser
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analog_models.programming import WeightTargets
from cosim.cli import main
from cosim.compiler import MappingOptions, compile_network
from cosim.experiment import Experiment
from cosim.experiment.routes import Step
from cosim.fabric.mesh_graph import Place
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Program, Unit
from cosim.view import View, load_view, page, shipped_view
from cosim.view.pictures import routes_svg
from rtl.config import Edge, preset
from tests.cosim.scripts import units

SMALL = preset("small")
EXAMPLES = Path(__file__).parents[3] / "docs/examples"
#: Elements of HTML without an end.
VOID = {"meta", "link", "input"}


class Reader(HTMLParser):
    """Every element as (tag, attributes, text); tags that do not match are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[int] = []
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(text)
        self.close()
        assert not self.open, "elements without an end"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for index in self.open:
            self.elements[index][2].append(data)

    def find(self, tag: str, **wanted: str) -> Iterator[tuple[dict[str, str], str]]:
        """(attributes, text) of elements; ``data_step="1"`` is an attribute that they shall have."""
        spelt = {name.rstrip("_").replace("_", "-"): value for name, value in wanted.items()}
        for found, attributes, text in self.elements:
            if found == tag and spelt.items() <= attributes.items():
                yield attributes, "".join(text)


@pytest.fixture(scope="module")
def kws() -> View:
    return shipped_view()


@pytest.fixture(scope="module")
def kws_page(kws: View) -> Reader:
    return Reader(page(kws))


def small_program(**options: bool) -> Program:
    rng = np.random.default_rng(5)
    layers = (
        Layer(rng.uniform(-1, 1, (32, 16)), Activation.RELU, full_scale=8.0),
        Layer(rng.uniform(-1, 1, (16, 4)), Activation.LINEAR, full_scale=8.0),
    )
    return compile_network(FeedForwardNetwork(layers), SMALL, MappingOptions(**options))


def experiment(name: str = "drawn") -> Experiment:
    """ILP W over tiles 0 and 2 to OLP W; tile 1 holds three weights and is idle."""
    words = units(
        ilp_0="@10 PULSE fire; HALT",
        tile_0="MESH west_to_net=all, net_to_south=even; HALT",
        tile_2="MESH north_to_net=all, net_to_west=all; HALT",
        olp_0="@10 COUNT load_pointer, pointer=3, open; @300 COUNT store; HALT",
    )
    weights = np.zeros((SMALL.total_rows, SMALL.lanes))
    weights[[0, 5, SMALL.lanes], [1, 1, 2]] = 0.5
    vectors = {0: np.full((1, SMALL.lanes), 100, np.uint8)}
    return Experiment(SMALL, words, vectors=vectors, weights={1: WeightTargets(weights)}, name=name)


def many_steps(count: int) -> Experiment:
    """ILP W sends `count` vectors to OLP W, one after the other."""
    words = units(
        ilp_0=f"@8 PULSE load_pointer; next: @10 PULSE fire, wait=20; LOOP next, count={count}; HALT",
        tile_0="MESH west_to_net=all, net_to_south=all; HALT",
        tile_2="MESH north_to_net=all, net_to_west=all; HALT",
    )
    return Experiment(SMALL, words, vectors={0: np.full((1, SMALL.lanes), 9, np.uint8)}, name=f"{count} steps")


# ---- what is shown


def test_a_frame_of_keyword_spotting_has_eight_steps_of_300_ns(kws: View) -> None:
    assert [(step.start, step.stop) for step in kws.steps] == [(300 * k, 300 * k + 300) for k in range(8)]


def test_frames_that_overlap_are_shown_where_they_do() -> None:
    """The second frame: the readout of the first falls into it."""
    view = View.of_program(small_program(overlapped=True), "overlapped")
    assert view.span.start == view.experiment.cycles // 3 == len(view.span)
    first = {(act.unit.kind, act.kind) for act in view.routes.during(view.steps[0].start, view.steps[0].stop)}
    assert {(ILP, "send"), (TILE, "send"), (OLP, "count")} <= first


def test_an_experiment_is_shown_to_the_end_of_what_it_does() -> None:
    view = View(experiment())
    assert view.steps == (Step(0, 302, 12),)


@pytest.mark.parametrize("first", [True, False])
def test_a_vector_of_zeros_is_no_step(first: bool) -> None:
    """It is sent, and no wire moves."""
    sent = many_steps(3)
    vectors = np.full((4, SMALL.lanes), 9, np.uint8)
    vectors[0 if first else 1] = 0
    words = sent.units | units(
        ilp_0="@10 PULSE fire, advance=1; @40 PULSE fire, advance=1; @70 PULSE fire, advance=1; HALT"
    )
    view = View(replace(sent, vectors={0: vectors}, units=words))
    assert len(view.steps) == 2
    assert "Step 1 of 2" in page(view)


@pytest.mark.parametrize("count", [1, 12, 68, 500])
def test_numbers_above_the_strip_have_room(count: int) -> None:
    reader = Reader(page(View(many_steps(count))))
    numbers = [int(text) for attributes, text in reader.find("button") if "data-go" in attributes and text]
    assert numbers
    assert {12: range(1, 13), 1: range(1, 2)}.get(count, numbers) == range(1, count + 1) or len(numbers) < count
    assert len({after - before for before, after in pairwise(numbers)}) <= 1, "regular"


def test_moves_say_from_where_to_where_and_over_what(kws: View) -> None:
    layer0, layer1, layer2 = (layer.tiles for layer in kws.program.layers)  # type: ignore[union-attr]
    first, fifth = (list(kws.moves(kws.snapshots[step])) for step in (0, 4))
    assert [[target.tile for target in move.targets] for move in first] == [[layer0[0]], [layer0[1]]]
    assert [move.source.kind for move in first] == ["ilp", "ilp"]
    (readout,) = fifth
    assert readout.source == Place("outputs", layer0[1])
    assert [target.kind for target in readout.targets] == ["rows", "toward"]
    assert not set(readout.over) & {*layer0, *layer1, *layer2}
    (move,) = View(experiment()).moves(View(experiment()).snapshots[0])
    assert (move.targets, move.over) == ((Place("toward", 2, Edge.WEST),), (0, 2))


def test_words_are_in_force_from_two_cycles_after_their_issue_until_the_next_of_the_bank(kws: View) -> None:
    assert kws.program is not None
    reader = Unit(TILE, kws.program.layers[2].reader)
    timeline = kws.routes.timelines[reader]
    array = [issue for issue in timeline.writes("ARRAY") if issue.cycle < len(kws.span)]
    found = {each.address: (each.start, each.stop) for each in kws.in_force(reader)}
    for issue, following in pairwise(array):
        assert found[issue.address] == (issue.cycle + 2, following.cycle + 2)


# ---- the page


def test_the_page_is_whole_and_loads_nothing(kws: View, kws_page: Reader) -> None:
    text = page(kws)
    assert text.startswith("<!doctype html>")
    for forbidden in ("http:", "https:", "@import", "url(", " src="):
        assert forbidden not in text
    assert [attributes["href"] for attributes, _ in kws_page.find("link")] == ["data:,"]


def test_one_capacitor_is_one(kws_page: Reader) -> None:
    lines = [text for _, text in kws_page.find("li") if "capacitor" in text and "layer" in text]
    assert any("1 capacitor, ramp" in line for line in lines)
    assert not any("1 capacitors" in line for line in lines)


def test_the_readmes_picture_is_that_of_its_command() -> None:
    """`duramesh run docs/examples/pass_over.toml --routes FILE`."""
    picture = EXAMPLES.parent / "images/pass_over.svg"
    assert routes_svg(load_view(EXAMPLES / "pass_over.toml").experiment) == picture.read_text(encoding="utf-8")


def test_every_unit_can_be_pointed_at_and_has_its_listing(kws: View, kws_page: Reader) -> None:
    units = [str(unit) for unit in kws.units]
    assert len(units) == 34 + 6 + 6
    handles = [attributes["data-unit"] for attributes, _ in kws_page.find("rect", class_="unit")]
    assert handles == units
    assert [attributes["data-show"] for attributes, _ in kws_page.find("section") if "data-show" in attributes] == units
    words = sum(len(words) for words in kws.experiment.units.values())
    labels = sum(text.endswith(":") for _, text in kws_page.find("code"))
    assert len(list(kws_page.find("code"))) == words + labels


def test_tiles_in_use_say_what_they_hold(kws: View, kws_page: Reader) -> None:
    assert kws.program is not None
    about = {
        attributes["data-unit"]: attributes["aria-label"] for attributes, _ in kws_page.find("rect", class_="unit")
    }
    for layer in kws.program.layers:
        for tile in layer.tiles:
            assert f"{layer.name}: " in about[f"TILE {tile}"]
            assert f"{layer.outputs} of 512 columns" in about[f"TILE {tile}"]
    unused = set(range(34)) - set(kws.program.tiles)
    assert not any("columns" in about[f"TILE {tile}"] for tile in unused)


def test_uses_count_what_is_not_zero() -> None:
    use = View(experiment()).uses[1]
    assert (use.rows, use.columns, use.bias_rows) == ((2, 16), (2, 16), (1, 8))
    assert use.weights == {"WP1": 3, "WP2": 0}


def test_every_step_is_there_and_only_the_first_is_shown(kws_page: Reader) -> None:
    layers = [attributes for attributes, _ in kws_page.find("g") if "data-step" in attributes]
    assert [int(layer["data-step"]) for layer in layers] == list(range(1, 9))
    assert ["off" in layer["class"].split() for layer in layers] == [False] + [True] * 7
    texts = [text for attributes, text in kws_page.find("section") if "data-step" in attributes]
    assert [text.startswith(f"Step {number} of 8") for number, text in enumerate(texts, 1)] == [True] * 8
    assert "integrates WP2, discharging" in texts[2]
    assert "ramps" in texts[7]
    ((slider, _),) = kws_page.find("input", id="slider")
    assert (slider["min"], slider["max"]) == ("1", "8")


def test_words_are_marked_with_the_steps_in_which_they_are_in_force(kws_page: Reader) -> None:
    lines = [(attributes.get("data-now"), attributes.get("data-in"), text) for attributes, text in kws_page.find("li")]
    (both,) = (line for line in lines if "integrate, wp1, wp2" in line[2])
    assert both[:2] == ("7", "7")
    assert any(now == "2" and "integrate, wp1, discharge" in text for now, _, text in lines)
    assert all(set((now or "").split()) <= set((during or "").split()) for now, during, _ in lines)


def test_text_is_escaped() -> None:
    text = page(View(experiment('<img src="x"> & co')))
    assert "<img" not in text
    assert [found for _, found in Reader(text).find("h1")] == ['<img src="x"> & co']


def test_a_partial_vector_names_its_lanes() -> None:
    texts = [text for _, text in Reader(page(View(experiment()))).find("li")]
    assert "net to south: ILP 0 W, 8 of 16 lanes" in texts


# ---- files and the command


def test_programs_and_experiments_are_read_from_their_files(tmp_path: Path) -> None:
    small_program().save(tmp_path / "net.npz")
    experiment().save(tmp_path / "run.npz")
    assert load_view(tmp_path / "net.npz").program is not None
    assert load_view(tmp_path / "run.npz").experiment.name == "drawn"
    assert load_view(EXAMPLES / "pass_over.toml").program is None


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    small_program().save(tmp_path / "net.npz")
    assert page(load_view(tmp_path / "net.npz")) == page(load_view(tmp_path / "net.npz"))


@pytest.mark.parametrize("part", ["nothing", "half", "text", "other"])
def test_other_files_are_refused(tmp_path: Path, part: str) -> None:
    path = tmp_path / "net.npz"
    small_program().save(path)
    whole = path.read_bytes()
    match part:
        case "nothing":
            path.write_bytes(b"")
        case "half":
            path.write_bytes(whole[: len(whole) // 2])
        case "text":
            path.write_text("MESH west_to_net=all\n")
        case "other":
            np.savez(path, weights=np.zeros(3))
    result = CliRunner().invoke(main, ["view", str(path), "--out", str(tmp_path / "page.html"), "--no-open"])
    assert result.exit_code == 1
    assert f"{path} is no program and no experiment, or only part of one; expected a program" in result.output
    assert not (tmp_path / "page.html").exists()


def test_a_record_is_named_for_what_it_is(tmp_path: Path) -> None:
    from cosim.engines.golden import GoldenEngine

    (record,) = GoldenEngine(SMALL).perform([experiment()])
    record.save(tmp_path / "record.npz")
    result = CliRunner().invoke(main, ["view", str(tmp_path / "record.npz"), "--no-open"])
    assert result.exit_code == 1
    assert "is a duramesh record; expected a program" in result.output


@pytest.mark.parametrize(
    ("out", "complaint"),
    [("page.pdf", "end the name in .html"), ("file/page.html", "is no folder that can be written to")],
)
def test_places_that_cannot_be_are_refused(tmp_path: Path, out: str, complaint: str) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["view", str(EXAMPLES / "pass_over.toml"), "--out", str(tmp_path / out)])
    assert result.exit_code != 0
    assert complaint in " ".join(result.output.replace("\n", " ").split())


def test_the_command_writes_the_page_and_opens_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or len(opened) == 1)
    example = str(EXAMPLES / "pass_over.toml")
    for wish in ("--open", "--no-open"):
        result = CliRunner().invoke(main, ["view", example, wish])
        assert (result.exit_code, "page: reports/view/pass_over.html" in result.output) == (0, True)
    expected = tmp_path / "reports/view/pass_over.html"
    assert opened == [expected.as_uri()]
    assert expected.read_text(encoding="utf-8") == page(load_view(EXAMPLES / "pass_over.toml"))
    again = CliRunner().invoke(main, ["view", example, "--open"])  # now there is no browser
    assert (again.exit_code, "there is no browser here" in again.output) == (0, True)


# ---- what is illegal


def test_an_illegal_experiment_shows_where_it_is_illegal(tmp_path: Path) -> None:
    words = units(
        ilp_0="@10 PULSE fire; @100 PULSE fire; HALT",
        tile_0="MESH west_to_net=all, net_to_south=all; @80 MESH west_to_net=all, south_to_net=odd",
        tile_1="ARRAY share_south; HALT",
        olp_0="COUNT store; HALT",
    )
    vectors = {0: np.full((1, SMALL.lanes), 50, np.uint8)}
    shown = Reader(page(View(Experiment(SMALL, words, vectors=vectors, name="wrong"))))
    said = [text for _, text in shown.find("p", class_="illegal")]
    for text, expected in zip(
        said,
        (
            "OLP 0 stores in cycle 0 without an open window step 1",
            "TILE 1 shares its capacitors in cycle 2 with a southern neighbour that does not share back step 1",
            "TILE 0 runs past its last word, 1 (the SRAM holds 64), in cycle 81; end it with HALT or JUMP step",
            "cycle 82: net of tile (0, 0), odd wires 1-15: driven by",
        ),
        strict=True,
    ):
        assert text.startswith(f"Illegal: {expected}"), text
    assert any(attributes["data-go"] != "1" for attributes, text in shown.find("button") if text.startswith("step "))


@pytest.mark.parametrize("example", ["contention", "mac"])
def test_only_an_illegal_experiment_is_called_so(example: str) -> None:
    shown = Reader(page(load_view(EXAMPLES / f"{example}.toml")))
    assert any(shown.find("p", class_="illegal")) == (example == "contention")
