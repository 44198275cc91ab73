"""System images in files, and where a weight is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import MatrixOptions
from cosim.files.archive import read_archive, write_archive
from cosim.program import Mode
from cosim.system.image import ImageError, SystemImage
from cosim.system.system import Run, System
from cosim.system.where import WhereError, places
from tests.cosim.system.networks import image, numbers

KIND = "duramesh system"


def test_an_image_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = image("shared")
    made.save(tmp_path / "image.npz")
    again = SystemImage.load(tmp_path / "image.npz")
    assert again.digest == made.digest
    assert again.network.matrix_of == made.network.matrix_of
    inputs = numbers(3, 12)
    assert np.array_equal(System(again).run(inputs)["y"], System(made).run(inputs)["y"])


def test_the_digest_is_of_everything() -> None:
    digests = [image("mlp").digest, image("shared").digest, image("mlp", linear0=MatrixOptions(copies=2)).digest]
    assert len(set(digests)) == 3


Damage = Callable[[dict[str, Any], dict[str, Any]], object]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda meta, arrays: meta["codings"].pop("linear0"), "columns 2"),
        (lambda meta, arrays: arrays.pop("coding 0 rows"), "rows"),
        (lambda meta, arrays: arrays.update({"coding 0 rows": np.ones(7)}), "centres"),
        (
            lambda meta, arrays: arrays.update(
                {"coding 0 rows": np.ones(7), "coding 0 centres 0": np.ones(7, np.float32)}
            ),
            "another size",
        ),
        (lambda meta, arrays: arrays.update({"sample 0": np.ones((3, 2), np.float32)}), "does not fit"),
        (lambda meta, arrays: arrays.update({"more": np.ones(1)}), "nothing needs"),
        (lambda meta, arrays: meta["samples"].append("linear9"), "2"),
        (lambda meta, arrays: meta.pop("axes"), "axes is missing"),
    ],
)
def test_damage_is_refused(tmp_path: Path, damage: Damage, message: str) -> None:
    place = tmp_path / "image.npz"
    image("mlp").save(place)
    meta, arrays = read_archive(place, KIND, 2)
    damage(meta, arrays)
    write_archive(place, KIND, 2, meta, arrays, compress=False)
    with pytest.raises(ImageError, match=message):
        SystemImage.load(place)


@pytest.mark.parametrize("mode", list(Mode))
def test_where_names_the_devices_that_hold_a_weight(mode: Mode) -> None:
    """What stands there is its programmed value, and no other weight stands there."""
    made = image("mlp", linear0=MatrixOptions(mode=mode), linear1=MatrixOptions(mode=mode))
    system = System(made, Run("ideal"))
    chips, g_max = system.chips, AnalogConfig().pcm.g_max_us
    weights, coding = made.weights["linear1"], made.codings["linear1"]
    taken: set[tuple[Any, ...]] = set()
    chosen = [(row, column) for row, column in np.ndindex(weights.shape) if (row + column) % 4 == 0]
    for row, column in chosen:
        (place,) = places(made, "linear1", row, column, AnalogConfig(), chips)
        assert len(place.pairs) == mode.gain
        scale = coding.columns[place.block][column - made.layout.blocks[place.block].columns[0]]
        assert np.isclose(place.weight, weights[row, column] * coding.rows[row] / scale)
        for pair in place.pairs:
            sign = -1 if mode is Mode.BALANCED and pair.name == "WP2" else 1
            assert np.isclose(pair.target_us[0] - pair.target_us[1], sign * place.weight * g_max)
            assert pair.programmed_us is not None
            np.testing.assert_allclose(pair.programmed_us, pair.target_us, atol=g_max / 1000)
            taken.add((place.chip, place.tile, place.row, place.column, pair.name))
    assert len(taken) == len(chosen) * mode.gain


def test_copies_have_a_place_each() -> None:
    made = image("mlp", linear1=MatrixOptions(copies=3))
    assert len(places(made, "linear1", 29, 9, AnalogConfig())) == 3


@pytest.mark.parametrize(
    ("layer", "row", "column", "message"),
    [
        ("linear", 0, 0, "there are linear0, linear1"),
        ("linear1", 30, 0, "rows 0 to 29 and columns 0 to 9"),
        ("linear1", 0, -1, "rows 0 to 29"),
        ("linear0", 0, 0, "stays with the host"),
    ],
)
def test_a_weight_that_is_nowhere(layer: str, row: int, column: int, message: str) -> None:
    made = image("mlp", linear0=MatrixOptions(host=True))
    with pytest.raises(WhereError, match=message):
        places(made, layer, row, column, AnalogConfig())
