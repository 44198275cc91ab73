"""What is drawn and printed of a sweep."""

import numpy as np
import pytest
from rich.console import Console

from cosim.sweep import Sweep, grid
from cosim.sweep.pace import Pace
from cosim.sweep.pictures import bin_edges, draw
from cosim.sweep.report import print_summary, summary, write_report
from cosim.sweep.settings import settings_of
from tests.cosim.sweep.swept import here, points, subject


@pytest.fixture
def outcome(tmp_path):
    with Sweep(tmp_path, subject()) as claimed:
        return claimed.run(points(), here())


def test_the_summary_is_that_of_the_rows(outcome):
    found = summary(outcome)
    assert [(one["age_s"], one["devices"], one["chips"]) for one in found["settings"]] == [
        (age, devices, 6) for devices in ("pcm", "hermes") for age in (3600.0, 86_400.0)
    ]
    scores = [row["score"] for row in outcome.rows if (row["age_s"], row["devices"]) == (86_400.0, "hermes")]
    figures = found["settings"][-1]["figures"]["score"]
    assert figures["mean"] == pytest.approx(np.mean(scores))
    assert (figures["min"], figures["max"]) == (min(scores), max(scores))
    assert figures["std"] == pytest.approx(np.std(scores, ddof=1))
    assert found["settings"][0]["software"] == {"score": 0.9}


def test_pictures_by_axes(tmp_path):
    seen = {}
    cases = {
        "chips": grid(range(4)),
        "one": grid(range(4), (3600.0, 86_400.0)),
        "two": points(4),
        "three": grid(range(2), (3600.0, 7200.0), ("pcm", "hermes"), {"pcm.read_noise_scale": ("0", "2")}),
        "one chip": grid([3]),
    }
    for name, own in cases.items():
        with Sweep(tmp_path / name, subject()) as claimed:
            found = claimed.run(own, here())
            seen[name] = list(draw(found))
            assert all((path).stat().st_size for path in write_report(found, tmp_path / name).values())
    assert seen == {
        "chips": ["distribution"],
        "one": ["distribution", "curves"],
        "two": ["distribution", "curves", "map"],
        "three": ["distribution", "curves"],
        "one chip": ["distribution"],
    }


def test_curves_are_means_over_the_chips(outcome):
    (axes,) = draw(outcome)["curves"].axes
    lines = {line.get_label(): line.get_ydata() for line in axes.lines if line.get_label() != "software"}
    for devices, line in lines.items():
        own = [one for one in settings_of(outcome) if one.columns["devices"] == devices]
        assert np.allclose(line, [100 * one.values("score").mean() for one in own])
    assert set(lines) == {"pcm", "hermes"}


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([87.0, 87.4, 88.0, 88.2, 87.4], [86.9 + 0.2 * i for i in range(8)]),  # shares of 500 clips: a bin each
        ([1.0, 1.1, 2.0, 3.17, 4.0], np.linspace(1, 4, 6)),
        ([0.0, 1.0, 1000.0], np.linspace(0, 1000, 6)),  # too many bins
        ([5.0], np.linspace(4.5, 5.5, 6)),
        ([], np.linspace(0, 1, 6)),
    ],
)
def test_bins_hold_one_value_each_where_values_come_in_steps(values, edges):
    assert np.allclose(bin_edges(np.array(values)), edges)


def test_the_table_names_every_setting(outcome, capsys):
    print_summary(outcome, Console(width=140))
    printed = capsys.readouterr().out
    assert "24 points, 24 of them done now" in printed
    assert all(words in printed for words in ("1 d", "1 h", "hermes", "90.00 %"))


def test_the_pace():
    now = [100.0]
    pace = Pace(10, clock=lambda: now[0])
    assert str(pace) == ""
    now[0] += 120
    pace.add(2)
    assert str(pace) == "1 a minute, 8 min left"
