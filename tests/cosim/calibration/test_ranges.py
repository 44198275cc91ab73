"""Ranges: what each choice is for shows in what is chosen."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.calibration.expected import DeviceErrors, ExpectedMatrix
from cosim.calibration.ranges import Choice, MatrixRanges, choose, codings, refine
from cosim.calibration.readouts import Scale
from cosim.compiler.matrices import Block
from cosim.graph import Linear
from cosim.program import Mode

EXACT, NOISY = DeviceErrors(0.0), DeviceErrors(0.035)
BLOCKS = (
    Block("m 0:16 0:12", "m", (0, 16), (0, 12), Mode.BALANCED),
    Block("m 16:24 0:12", "m", (16, 24), (0, 12), Mode.STACKED),
)


def matrix(x: NDArray, errors: DeviceErrors = EXACT, weights: NDArray | None = None) -> MatrixRanges:
    random = np.random.default_rng(0)
    weights = random.normal(0, 0.2, (24, 12)) if weights is None else weights
    scales = tuple(Scale(block, 1, 255, AnalogConfig()) for block in BLOCKS)
    return MatrixRanges(Linear(weights), scales, {"m": x.astype(np.float32)}, errors)


def inputs(frames: int = 200) -> NDArray:
    return np.random.default_rng(1).normal(0, 1, (frames, 24))


def best(ranges: MatrixRanges) -> Choice:
    return choose({"m": ranges})["m"]


def test_device_errors_are_those_of_the_models() -> None:
    """docs/physics.md: for weights of a standard deviation of 0.2, 3.4 % and 5.4 % of the largest on one pair."""

    def typical(errors: DeviceErrors) -> float:
        return float(np.sqrt(errors.floor**2 + (errors.share * 0.2) ** 2))

    assert typical(DeviceErrors.of(AnalogConfig.ideal())) < 1e-3
    assert np.isclose(typical(DeviceErrors.of(AnalogConfig.nominal("pcm"))), 0.034, rtol=0.15)
    assert np.isclose(typical(DeviceErrors.of(AnalogConfig.nominal("hermes"))), 0.054, rtol=0.15)
    one, two = (DeviceErrors(0.04, 0.1).variances(mode) for mode in (Mode.STACKED, Mode.DOUBLE))
    assert one == (0.04**2, 0.1**2) == (2 * two[0], 2 * two[1])


def test_rows_with_outliers_are_equalised() -> None:
    x = inputs()
    x[:, 3] *= 60
    assert best(matrix(inputs(), NOISY)).equalise == 0
    found = best(matrix(x, NOISY))
    assert found.equalise > 0
    assert matrix(x, NOISY).loss(found) < 0.5 * matrix(x, NOISY).loss(Choice())


def test_rows_that_samples_hardly_reach_keep_the_range_of_others() -> None:
    """Other inputs may reach them: only rows that reach farther than most are equalised."""
    x = inputs()
    x[:, 5] *= 1e-3
    x[:, 3] *= 60
    rows = matrix(x).sent(Choice(equalise=1.0)).coding(Choice(), dict.fromkeys((b.name for b in BLOCKS), 4.0)).rows
    assert rows[3] > 20
    assert rows[5] == rows.min() == 1


def test_columns_are_scaled_to_their_products_not_only_to_their_largest_weight() -> None:
    """A column of equal signs gives larger products than others with the same largest weight."""
    weights = np.random.default_rng(0).uniform(-0.5, 0.5, (24, 12))
    weights[:, 5] = 0.5
    x = np.abs(inputs())
    coding = codings({"m": matrix(x, weights=weights)}, {"m": Choice()})["m"]
    columns = coding.columns[BLOCKS[0].name]
    assert columns[5] > 1.5 * np.median(columns)
    programmed = coding.weights(BLOCKS[0], weights)
    assert np.abs(programmed).max(axis=0)[5] < 0.7 < np.median(np.abs(programmed).max(axis=0))


def test_single_large_weights_are_cut_off_where_devices_err() -> None:
    """The others of the column then fill more of the devices' range."""
    weights = np.random.default_rng(0).normal(0, 0.05, (24, 12))
    weights[7] = 0.4
    x = inputs()
    assert best(matrix(x, EXACT, weights)).weights == 0
    noisy = matrix(x, DeviceErrors(0.2), weights)
    found = best(noisy)
    assert found.weights > 0
    assert noisy.loss(found) < 0.9 * noisy.loss(replace(found, weights=0.0))
    programmed = codings({"m": noisy}, {"m": found})["m"].weights(BLOCKS[0], weights)
    assert np.abs(programmed).max() == 1
    assert np.abs(programmed[:7]).max() > 1.2 * np.abs(weights[:7]).max() / 0.4


@pytest.mark.parametrize("seed", range(4))
def test_few_samples_cut_off_little_of_what_they_do_not_show(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, unseen = (random.normal(0, 1, (frames, 24)) for frames in (8, 400))
    ranges = matrix(x, NOISY)
    coding = codings({"m": ranges}, {"m": best(ranges)})["m"]
    for block in BLOCKS:
        weights = ranges.linear.weights
        sent = coding.codes("m", unseen.astype(np.float32))[:, slice(*block.rows)] / coding.duration
        products = sent @ coding.weights(block, weights)
        assert (np.abs(products) > coding.full_scale[block.name]).mean() < 0.01


def test_what_inputs_are_in_the_mean_costs_nothing() -> None:
    """Log-mel pictures, and all that comes out of a ReLU: pulses tell what varies only."""
    x = inputs(600)
    centred, shifted = matrix(x, NOISY), matrix(x + np.linspace(-20, 20, 24), NOISY)
    choice = best(centred)
    assert np.isclose(shifted.loss(choice), centred.loss(choice), rtol=1e-3)
    coding = codings({"m": shifted}, {"m": choice})["m"]
    expected = ExpectedMatrix(shifted.linear, BLOCKS, 1, coding, EXACT)
    exact = shifted.samples["m"] @ shifted.linear.weights
    assert np.square(expected.run("m", shifted.samples["m"]) - exact).mean() < 1e-3 * exact.var()


def test_what_is_expected_is_what_comes() -> None:
    """The loss that ranges are chosen by is that of the simulated products, noise included."""
    x = inputs(600)
    for errors in (EXACT, NOISY, DeviceErrors(0.03, 0.1)):
        ranges = matrix(x, errors)
        choice = best(ranges)
        coding = codings({"m": ranges}, {"m": choice})["m"]
        exact = x @ ranges.linear.weights
        losses = []
        for seed in range(8):
            expected = ExpectedMatrix(ranges.linear, BLOCKS, 1, coding, errors, seed=seed)
            got = expected.run("m", x.astype(np.float32))
            losses.append(np.square(got - exact).sum() / np.square(exact).sum())
        assert np.isclose(np.mean(losses), ranges.loss(choice), rtol=0.15)


def test_matrices_with_the_same_inputs_share_their_scales() -> None:
    x = inputs()
    x[:, 3] *= 60
    matrices = {"q": matrix(x), "k": matrix(x, weights=np.random.default_rng(5).normal(0, 0.2, (24, 12)))}
    chosen = choose(matrices, [("q", "k")])
    assert (chosen["q"].equalise, chosen["q"].inputs) == (chosen["k"].equalise, chosen["k"].inputs)


def test_blocks_of_one_ramp_share_their_full_scale() -> None:
    names = [block.name for block in BLOCKS]
    apart, together = (codings({"m": matrix(inputs())}, {"m": Choice()}, groups)["m"] for groups in ((), (names,)))
    assert len(set(apart.full_scale.values())) == 2
    assert set(together.full_scale.values()) == {max(apart.full_scale.values())}


def test_the_tasks_loss_decides() -> None:
    """A task that wants inputs cut off more, for whatever reason, gets it, within the trials."""
    matrices, start = {"m": matrix(inputs())}, {"m": Choice()}
    tried: list[Choice] = []

    def loss(choices: dict[str, Choice]) -> float:
        tried.append(choices["m"])
        return choices["m"].inputs

    assert refine(matrices, start, loss, 0) == start  # type: ignore[arg-type]
    found = refine(matrices, start, loss, 4)["m"]  # type: ignore[arg-type]
    assert found == replace(Choice(), inputs=0.8)
    assert len(tried) == 4
