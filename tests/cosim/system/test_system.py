"""Networks on small chips: errors where they belong, the same bits in any company, the RTL like the twin."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import LayoutOptions, MatrixOptions
from cosim.engines.checked import EngineDifference
from cosim.graph import NetworkError, chain
from cosim.graph.graph import Walk
from cosim.program import Mode
from cosim.system.building import BuildOptions, build
from cosim.system.chips import Chips
from cosim.system.image import SystemImage
from cosim.system.layer_errors import LayerErrors
from cosim.system.network import Network
from cosim.system.sessions import CheckedSession
from cosim.system.system import Run, System
from cosim.system.where import WhereError, places
from tests.cosim.system.networks import ROOMY, SMALL, image, linear, mlp, numbers, recurrent, shared


def relative(got: Any, exact: Any) -> float:
    return float(np.sqrt(np.square(got - exact).sum() / np.square(exact).sum()))


@pytest.mark.parametrize(("name", "shape"), [("mlp", (20, 40)), ("recurrent", (20, 5, 8)), ("shared", (20, 12))])
def test_errors_grow_from_float_over_ideal_to_noisy(name: str, shape: tuple[int, ...]) -> None:
    inputs = numbers(*shape, seed=2)
    graph = Network.of({"mlp": mlp, "recurrent": recurrent, "shared": shared}[name]()).only
    exact = np.stack([graph.run({"x": x}).outputs["y"] for x in inputs])
    got = {engine: System(image(name), Run(engine)).run(inputs)["y"] for engine in ("float", "ideal", "twin")}
    assert np.array_equal(got["float"], exact)
    assert relative(got["ideal"], exact) < 0.1
    assert relative(got["ideal"], exact) < relative(got["twin"], exact) < 0.3


def test_order_and_batch_change_no_bit() -> None:
    inputs = numbers(7, 5, 8, seed=2)
    system = System(image("recurrent"))
    whole = system.run(inputs)["y"]
    assert np.array_equal(system.run(inputs, batch=1)["y"], whole)
    walks = [(number, system.network.walk({"x": inputs[number]})) for number in (5, 0, 3)]
    for number, step in system.walked(walks, batch=2):
        assert np.array_equal(step.outputs["y"], whole[number])


def test_sequences_of_any_length_go_together() -> None:
    inputs = numbers(4, 5, 8, seed=2)
    system = System(image("recurrent"))
    lengths = 5, 2, 0, 4
    together = system.run([one[:length] for one, length in zip(inputs, lengths, strict=True)])["y"]
    assert isinstance(together, list)
    for number, (part, length) in enumerate(zip(together, lengths, strict=True)):
        ((_, alone),) = system.walked([(number, system.network.walk({"x": inputs[number, :length]}))])
        assert np.array_equal(part, alone.outputs["y"])


def test_nodes_that_share_a_matrix_have_scales_of_their_own() -> None:
    coding = image("shared").codings["first"]
    assert coding.inputs.keys() == {"first", "second"}
    assert coding.inputs["first"] > 1.5 * coding.inputs["second"]  # numbers, and what tanh has made of them
    assert len(image("shared").layout.blocks_of) == 2


@pytest.mark.parametrize(("name", "shape"), [("mlp", (3, 40)), ("recurrent", (2, 2, 8)), ("shared", (3, 12))])
def test_rtl_gives_every_code_of_the_twin(name: str, shape: tuple[int, ...]) -> None:
    inputs = numbers(*shape, seed=3)
    with System(image(name), Run("both", seed=1)) as both:
        got = both.run(inputs)["y"]
        assert sum(one["compared_codes"] for one in both.statistics) > 0
    assert np.array_equal(got, System(image(name), Run("twin", seed=1)).run(inputs)["y"])


def test_a_difference_of_engines_is_named() -> None:
    system = System(image("mlp"))
    system.run(numbers(1, 40))
    session = system._sessions[0]
    entry = next(iter(session.image.entries))

    class Off:
        image = session.image

        def run(self, entry: str, codes: Any, frames: Any) -> dict[str, NDArray[np.uint8]]:
            found = {name: array.copy() for name, array in session.run(entry, codes, frames).items()}
            next(iter(found.values()))[1, 2] ^= 1
            return found

    checked = CheckedSession(session, Off(), 5)  # type: ignore[arg-type]
    codes = np.zeros((2, session.image.entry(entry).input_width), np.int16)
    with pytest.raises(EngineDifference, match=f"chip 5, entry {entry}, .* column 2, frame 12"):
        checked.run(entry, codes, [11, 12])


def test_a_part_of_the_frames_goes_through_the_rtl() -> None:
    """Evenly spread ones of every call; all of small calls. What comes out is the same as of all."""
    inputs = numbers(5, 40, seed=3)
    with System(image("mlp"), Run("both", seed=1, rtl_frames=2)) as both:
        got = both.run(inputs)["y"]
        (statistics,) = both.statistics
    assert np.array_equal(got, System(image("mlp"), Run("twin", seed=1)).run(inputs)["y"])
    calls = statistics["reference_frames"] / 5
    assert statistics["frames"] == 2 * calls
    assert statistics["compared_codes"] > 0
    with pytest.raises(ValueError, match="rtl_frames must be 1 or more, with engine 'both'; got 2, 'twin'"):
        Run("twin", rtl_frames=2)


def test_frames_on_the_rtl_are_evenly_spread() -> None:
    asked: list[list[int]] = []

    class Seen:
        image = None

        def run(self, entry: str, codes: Any, frames: Any) -> dict[str, NDArray[np.uint8]]:
            asked.append(np.asarray(frames).tolist())
            raise KeyboardInterrupt

    for frames in (1500, 3):
        checked = CheckedSession(Seen(), Seen(), 0, most=4)  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            checked.run("entry", np.zeros((frames, 8), np.int16), np.arange(frames))
    assert asked == [[0, 500, 999, 1499], [0, 1, 2]]


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode(mode: Mode) -> None:
    made = image("mlp", linear0=MatrixOptions(mode=mode), linear1=MatrixOptions(mode=mode))
    assert {block.mode for block in made.layout.blocks.values()} == {mode}
    inputs = numbers(20, 40, seed=2)
    exact = System(made, Run("float")).run(inputs)["y"]
    assert relative(System(made, Run("ideal")).run(inputs)["y"], exact) < 0.1


def built(options: BuildOptions) -> System:
    network = Network.of(mlp())
    samples = numbers(64, 40, seed=1)
    made = build(network, lambda: (network.walk({"x": x}) for x in samples), options, config=SMALL)
    return System(made)


@pytest.mark.parametrize(
    "options",
    [
        BuildOptions(LayoutOptions(matrices={"linear1": MatrixOptions(copies=3)}), trials=0),
        BuildOptions(expansion={"linear1": 3.0}, trials=0),
    ],
    ids=["copies", "expansion"],
)
def test_more_rows_average_errors(options: BuildOptions) -> None:
    def own_error(system: System) -> float:
        errors = LayerErrors(system.network)
        system.run(numbers(40, 40, seed=2), errors=errors)
        return {error.node: error.own for error in errors}["linear1"]

    assert own_error(built(options)) < 0.8 * own_error(built(BuildOptions(trials=0)))


def test_outliers_stay_with_the_host() -> None:
    """Inputs far larger than the others: less is lost than with them on the chip, and the file keeps which they are."""
    network = Network.of(mlp())

    def inputs(count: int, seed: int) -> NDArray:
        x = numbers(count, 40, seed=seed)
        x[:, 7] *= 100
        return x

    def made(outliers: float) -> SystemImage:
        options = BuildOptions(outliers=outliers, trials=0)
        return build(network, lambda: (network.walk({"x": x}) for x in inputs(64, 1)), options, config=SMALL)

    def error(image: SystemImage) -> float:
        errors = LayerErrors(image.network)
        System(image).run(inputs(40, 2), errors=errors)
        return {error.node: error.own for error in errors}["linear0"]

    split = made(0.05)
    assert split.codings["linear0"].outliers == (7,)
    assert error(split) < 0.2 * error(made(0.0))
    with pytest.raises(WhereError, match="leaves input 7"):
        places(split, "linear0", 7, 0, AnalogConfig())


def test_a_matrix_may_stay_with_the_host() -> None:
    made = image("mlp", linear0=MatrixOptions(host=True))
    assert list(made.codings) == ["linear1"]
    errors = LayerErrors(made.network)
    System(made).run(numbers(4, 40), errors=errors)
    assert {error.node: error.own == 0 for error in errors} == {"linear0": True, "linear1": False}


def test_several_graphs_are_one_system() -> None:
    encoder, decoder = mlp(), recurrent()
    network = Network({"encoder": encoder, "decoder": decoder})

    def walk(x: NDArray[np.float32], steps: int) -> Walk[NDArray[np.float32]]:
        encoded = yield from network.walk({"x": x}, graph="encoder")
        repeated = np.stack([encoded.outputs["y"][:8]] * steps)
        step = yield from network.walk({"x": repeated}, graph="decoder")
        return step.outputs["y"][-1]

    def walks() -> list[Walk[NDArray[np.float32]]]:
        return [walk(x, 1 + number % 3) for number, x in enumerate(numbers(32, 40, seed=1))]

    made = build(network, walks, BuildOptions(trials=0), config=ROOMY)
    assert "decoder/lstm/recurrent" in made.codings
    exact = System(made, Run("float")).results(walks())
    got = System(made, Run("ideal")).results(walks())
    assert relative(np.stack(got), np.stack(exact)) < 0.1


def test_what_samples_never_reach_is_refused() -> None:
    network = Network({"used": mlp(), "unused": recurrent()})
    walks: Callable[[], Sequence[Walk[Any]]] = lambda: [network.walk({"x": numbers(40)}, graph="used")]  # noqa: E731
    with pytest.raises(NetworkError, match="never come to unused/lstm/input"):
        build(network, walks, BuildOptions(trials=0), config=ROOMY)


def test_recalibration_moves_nothing_and_takes_drift_off() -> None:
    made = image("mlp")
    inputs, month_s = numbers(40, 40, seed=2), 30 * 86_400.0
    exact = System(made, Run("float")).run(inputs)["y"]
    fresh, old, again = (
        System(made, run) for run in (Run(), Run(aged_s=month_s), Run(aged_s=month_s, recalibrated=True))
    )
    errors = [relative(system.run(inputs)["y"], exact) for system in (fresh, old, again)]
    assert errors[0] < errors[2] < errors[1]
    for ours, theirs in zip(again.chips.analog, fresh.chips.analog, strict=True):
        for tile in ours.used:
            assert np.array_equal(ours.tile(tile).cells.programmed, theirs.tile(tile).cells.programmed)
    for ours_image, their_image in zip(again.chips.images, fresh.chips.images, strict=True):
        assert ours_image.masks.keys() == their_image.masks.keys()
        assert [entry.outputs for entry in ours_image.entries.values()] == [
            entry.outputs for entry in their_image.entries.values()
        ]


def test_chips_in_files_give_the_same_codes(tmp_path: Path) -> None:
    made = image("shared")
    chips = Chips.made(made, AnalogConfig(), seed=4)
    chips.save(tmp_path)
    system = System(made, Run(seed=4))
    system.__dict__["chips"] = Chips.load(tmp_path, made)
    inputs = numbers(5, 12, seed=2)
    assert np.array_equal(system.run(inputs)["y"], System(made, Run(seed=4)).run(inputs)["y"])


def test_five_lines() -> None:
    system = System.of(chain([linear(12, 4)]), numbers(64, 12, seed=1), config=SMALL)
    outputs = system.run(numbers(3, 12, seed=2))
    assert np.asarray(outputs["y"]).shape == (3, 4)
