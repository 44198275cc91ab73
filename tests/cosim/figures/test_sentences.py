"""What a page says of a run follows from that run: a changed result changes the sentences that speak of it."""

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.engines.twin.engine import TwinEngine
from cosim.figures import (
    Campaign,
    Measurement,
    Study,
    accuracy,
    drift,
    linearity,
    mac,
    networks,
    programming,
    transport,
    verification,
)
from cosim.figures.mac import variants
from cosim.figures.study import said
from cosim.files.wording import counted
from cosim.workloads.kws.model import KwsModel
from rtl.config import preset
from tests.cosim.figures.small_campaign import small_campaign


def sentences(study: Study, measurement: Measurement) -> str:
    """All that the page says, and what stands in the pictures."""
    texts = [said(study.about, measurement)]
    for figure in study.figures:
        picture = figure.draw(measurement)
        texts += [said(figure.caption, measurement), picture.get_suptitle()]
        texts += [text.get_text() for legend in picture.legends for text in legend.get_texts()]
        for axes in picture.axes:
            legend = axes.get_legend()
            texts += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *(text.get_text() for text in axes.texts)]
            texts += [text.get_text() for text in legend.get_texts()] if legend else []
    return " ".join(" ".join(texts).split())


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Study], Measurement]:
    """Measurements of a quick campaign on the small chip."""
    folder = tmp_path_factory.mktemp("quick")
    found: dict[str, Measurement] = {}

    def measure(study: Study) -> Measurement:
        if study.name not in found:
            campaign: Campaign = small_campaign(folder, quick=True, chips=2)
            found[study.name] = campaign.measure(study)[0]
        return found[study.name]

    return measure


def changed(measurement: Measurement, *path: Any, to: Any) -> Measurement:
    """The measurement with another value at a path of its numbers."""
    numbers = copy.deepcopy(dict(measurement.numbers))
    place: Any = numbers
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return replace(measurement, numbers=numbers)


# ---- what the issue quotes


def test_a_run_without_rtl_does_not_speak_of_one(quick: Callable[[Study], Measurement]) -> None:
    measured = quick(accuracy.STUDY)
    text = sentences(accuracy.STUDY, measured)
    assert "nothing ran on the RTL" in text
    assert "compared" not in text.replace("what can be compared", "")
    rtl = {"chip": 0, "compared_codes": 2640, "accuracy_percent": 80.0}
    text = sentences(accuracy.STUDY, changed(measured, "rtl", to=rtl))
    assert "the RTL on chip 0: 2,640 codes, every output of every layer, are compared" in text
    assert "2,640 codes equal to the twin's" in text


def test_ages_are_counted(quick: Callable[[Study], Measurement]) -> None:
    text = sentences(drift.STUDY, quick(drift.STUDY))
    assert "at 3 ages" in text
    assert "1 hour, 30 days and 1 year" in text
    assert "four" not in text


def test_an_empty_budget_is_said_to_be_empty(quick: Callable[[Study], Measurement]) -> None:
    measured = quick(mac.STUDY)
    text = sentences(mac.STUDY, measured)
    assert "this run has both ends only: all mechanisms, and none" in text
    assert "Devices err" not in text
    full = variants(AnalogConfig.nominal(), quick=False)
    nominal = measured.numbers["budget_percent"]["nominal"]
    budget = {name: {layer: [1.0] for layer in nominal} for name in full}
    budget["only drift, one hour"] = {layer: [3.0] for layer in nominal}
    text = sentences(mac.STUDY, changed(measured, "budget_percent", to=budget))
    assert f"each of {sum(name.startswith('only ') for name in full)} mechanisms" in text
    assert "Alone, drift, one hour (3.00 %), " in text


# ---- every study: change a number, and the sentence about it changes


CHANGES: tuple[tuple[Study, tuple[Any, ...], Any, str], ...] = (
    (accuracy.STUDY, ("clips",), 1234, "1,234 clips"),
    (accuracy.STUDY, ("calibration_clips",), 77, "calibrated with 77 clips"),
    (accuracy.STUDY, ("calibration_steps", "steps"), ["nothing", "everything"], "these steps: nothing; everything"),
    (accuracy.STUDY, ("decided_differently_percent",), 12.3, "12.3 % of the clips are decided differently"),
    (accuracy.STUDY, ("sampling_interval_percent", "chips"), [11.0, 22.0], "between 11.00 and 22.00 %"),
    (drift.STUDY, ("clips",), 1234, "read 1,234 clips"),
    (drift.STUDY, ("reads", "reads"), 7, "read 7 times each"),
    (drift.STUDY, ("sampling_interval_percent",), [11.0, 22.0], "11.00 to 22.00 %"),
    (mac.STUDY, ("clips",), 1234, "1,234 clips on chip 0"),
    (mac.STUDY, ("tolerance_percent",), 2.5, "tolerance of 2.5 %"),
    (mac.STUDY, ("capacitors", "constant swing"), [[7.0, 8.0, 9.0]], "7, 8, 9 %"),
    (linearity.STUDY, ("factors",), [1.0, 7.0], "1 to 7 times its constant"),
    (linearity.STUDY, ("rows",), 99, "a random matrix of 99 x 16"),
    (programming.STUDY, ("tolerance_percent",), 2.5, "is within 2.5 % of the largest"),
    (programming.STUDY, ("tiles",), 5, "cells of 5 tiles"),
    (programming.STUDY, ("network",), [{"square": [9, 8], "largest_weight": 0.5}], "Tiles 9,8 hold the network"),
    (programming.STUDY, ("beyond_per_million",), [42.0], "beyond which 42.0 weights in a million lie"),
)


@pytest.mark.parametrize(("study", "path", "value", "text"), CHANGES, ids=lambda part: getattr(part, "name", None))
def test_a_changed_result_changes_its_sentence(
    quick: Callable[[Study], Measurement], study: Study, path: tuple[Any, ...], value: Any, text: str
) -> None:
    measured = quick(study)
    before, after = (sentences(study, one).lower() for one in (measured, changed(measured, *path, to=value)))
    assert text.lower() in after
    assert text.lower() not in before


def test_what_the_model_does_not_keep_is_not_said_to_be_kept(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "RtlEngine", lambda config: TwinEngine())
    campaign = small_campaign(tmp_path, quick=True)
    measured, _ = campaign.measure(transport.STUDY)
    text = sentences(transport.STUDY, measured)
    assert "engine: twin" in text
    assert f"to {campaign.config.domain_count} output landing pads" in text
    assert "it made none" in text
    for modes in measured.numbers["ranges"].values():
        for pads in (modes["ideal"], modes["modelled"]):
            for errors in pads["errors"].values():
                errors["9"] = 1
    report = transport.TransportReport.from_json(measured.numbers)
    assert all("do not keep it" in finding.paper for finding in transport._findings(report)[1:])
    assert "it made errors of up to 9 ns" in sentences(transport.STUDY, measured)


def test_networks_say_what_was_placed_and_compared(quick: Callable[[Study], Measurement]) -> None:
    measured = quick(networks.STUDY)
    (one,) = measured.numbers["networks"]
    assert one["network"] == "MLP 24-32-32-10"
    assert one["weights"] == 24 * 32 + 32 * 32 + 32 * 10
    assert 2 * sum(one["tiles"]) >= one["weights"] / 16**2  # a stacked tile holds twice its cells
    assert one["ideal_error"] < min(one["error"])
    assert one["codes_compared"] > 0
    text = sentences(networks.STUDY, measured)
    assert f"{one['network']} (2,112 weights, {counted(one['chips'], 'chip')})" in text
    assert f"all {one['codes_compared']:,} codes were the twin's" in text
    assert "all 7 codes" in sentences(networks.STUDY, changed(measured, "networks", 0, "codes_compared", to=7))


def test_the_coverage_grows_experiment_by_experiment_and_differences_are_said() -> None:
    growth = verification._Growth({"g": ("a", "b", "c")}, 0)
    for seen in ({"a": 1, "b": 0}, {}, {"b": 2, "other": 1}):
        growth.add(seen)
    assert growth.hit_by == {"a": 1, "b": 3}
    numbers = {
        "experiments": 20, "packets": 250, "mismatches": 2, "port_mismatches": 1, "tiles": 4, "bins": 3, "bins_hit": 2,
        "cycles": 100, "first_hits": [0, 1, 3],
    }  # fmt: skip
    measured = Measurement(numbers)
    text = sentences(verification.STUDY, measured)
    assert "2 of 20 experiments and 1 sequence of 250 packets differ" in text
    curve = verification.draw_coverage(measured).axes[0].lines[0]
    assert list(curve.get_ydata()[:5]) == [1, 2, 2, 3, 3]


def test_sentences_without_data_hold_no_number() -> None:
    """A sentence that is no function of the measurement must state no fact: no digit, but in names of the papers'."""
    from cosim.figures.registry import select

    for study in select(()):
        fixed = [text for text in (study.about, *(figure.caption for figure in study.figures)) if isinstance(text, str)]
        for text in fixed:
            assert not re.search(r"\d", text), f"{study.name}: {text}"


def test_the_shipped_network_is_named_by_its_tiles(tmp_path: Any) -> None:
    """On the full chip, too: the tiles come from the compiler."""
    from cosim.compiler import compile_network

    compiled = compile_network(KwsModel.load().network, preset())
    squares = [preset().floorplan.tiles[tile] for tile in sorted(compiled.targets)]
    numbers = {"network": [{"square": list(square), "largest_weight": 0.9} for square in squares]}
    caption = said(programming.STUDY.figures[0].caption, SimpleNamespace(numbers=numbers))  # type: ignore[arg-type]
    assert "Tiles 0,0, 0,1, 1,0 and 1,1 hold the network" in caption
    assert np.unique(squares, axis=0).shape == (4, 2)
