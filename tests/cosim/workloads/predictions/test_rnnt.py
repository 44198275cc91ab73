"""The RNN-T's jobs follow from lengths alone."""

import json
import os
import re
from pathlib import Path

import pytest

from cosim.compiler.matrices import LayoutOptions, MatrixOptions, lay_out
from cosim.performance.constants import EnergyConstants, Fitted
from cosim.performance.fit import fit
from cosim.performance.host import HostTiming
from cosim.workloads.predictions.rnnt import ManifestError, RnntSystem, Utterance, read_manifest, utterances
from cosim.workloads.predictions.rnnt_chips import WEIGHTS, RnntChip, fitted_chip, paper_chips
from cosim.workloads.predictions.rnnt_report import rnnt_report
from rtl.config import preset

SMALL = preset("small")


@pytest.fixture(scope="module")
def chips() -> tuple[RnntChip, ...]:
    """Five small chips in the place of the paper's."""
    names = [f"m{chip}" for chip in range(5)]
    options = LayoutOptions(matrices={name: MatrixOptions(chip=chip) for chip, name in enumerate(names)})
    layout = lay_out(dict.fromkeys(names, (16, 16)), [(name,) for name in names], options, SMALL)
    return tuple(RnntChip(chip, layout) for chip in range(5))


def test_weights_are_the_paper_s() -> None:
    """45,261,568, of which the embedding and the matrix behind it are counted apart."""
    assert sum(WEIGHTS) == 45_261_568
    assert WEIGHTS == (5_177_344, 8_388_608, 12_582_912, 17_301_504, 1_811_200)


def test_an_utterance_from_its_audio() -> None:
    one = Utterance.of(16_000, "a b")
    assert (one.steps, one.stacked, one.symbols, one.seconds) == (34, 17, 3, 1.0)


def test_an_utterance_drains_through_all_chips(chips: tuple[RnntChip, ...]) -> None:
    """Steps of chip 1, then one of chips 2 and 3, three of chip 4, and the joint network once."""
    system = RnntSystem(chips, 40.0, host=HostTiming(layer_ns=300.0))
    step = chips[0].frame_ns + 300
    assert system.jobs(Utterance(6, 0)).timing().total_ns == (6 + 1 + 1 + 3) * step + 300
    spoken = system.jobs(Utterance(6, 1)).timing().total_ns
    # Said at the second of three steps: joint network, decoder and joint network end 600 ns behind the third one.
    assert spoken == (6 + 1 + 1 + 3) * step + 600 + 300


def test_frames_and_operations(chips: tuple[RnntChip, ...]) -> None:
    system = RnntSystem(chips, 40.0)
    one = Utterance(7, 5)
    run = system.run([one, one])
    assert run.frames == (14, 14, 8, 12, 12)
    assert run.operations == 2 * 2 * sum(n * w for n, w in zip((7, 7, 4, 4, 6), WEIGHTS, strict=True))
    assert run.ns == sum(run.latencies_ns)
    constants = EnergyConstants(Fitted(30.0, 0.5, 40.0))
    assert sum(run.chips_j(constants)) > 0
    static = 1e-9 * constants.fitted.chip_w * 5 * run.ns
    assert run.idle_j(constants) == pytest.approx(static - 1e-9 * 0.5 * sum(run.frames) * chips[0].frame_ns)


def test_utterances_that_overlap_take_less_and_three_decoder_frames_more(chips: tuple[RnntChip, ...]) -> None:
    batch = [Utterance(10, 8), Utterance(4, 3)]
    alone, overlapped, layered = (
        RnntSystem(chips, 40.0, **options).run(batch) for options in ({}, {"overlapped": True}, {"decoder_frames": 3})
    )
    assert overlapped.ns < alone.ns < layered.ns
    assert layered.frames[-1] == 3 * alone.frames[-1]


def test_expansion_is_the_host_s(chips: tuple[RnntChip, ...]) -> None:
    one = Utterance(10, 8)
    plain, wide = (RnntSystem(chips, 40.0, expanded=expanded).host_operations(one) for expanded in (False, True))
    assert wide["weight expansion"] == 10 * 2 * 240 * 1024
    assert wide.total() - plain.total() == wide["weight expansion"] - plain["normalisation"]


def test_a_manifest_is_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    lines = [{"id": "a", "samples": 16_000, "transcript": "yes"}, {"samples": 15 * 16_000 + 1, "transcript": "no"}]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert utterances(read_manifest(path)) == [Utterance(34, 3, 1.0)]
    with pytest.raises(ManifestError, match=r"no utterance of at most 15 s"):
        utterances([(15 * 16_000 + 1, "no")])
    for line, message in (
        ('{"samples": 3}', "line 1: no object with samples and transcript"),
        ("[1, 2]", "line 1: no object with samples and transcript"),
        ('{"samples": NaN, "transcript": ""}', "line 1: no JSON: NaN is no number"),
        ('{"samples": -5, "transcript": ""}', "samples must be a whole number above 0, got -5"),
        ('{"samples": 0, "transcript": ""}', "samples must be a whole number above 0, got 0"),
        ('{"samples": "12", "transcript": ""}', "samples must be a whole number above 0, got '12'"),
        ('{"samples": true, "transcript": ""}', "samples must be a whole number above 0, got True"),
        ('{"samples": 5.5, "transcript": ""}', "samples must be a whole number above 0, got 5.5"),
        ('{"samples": 5, "transcript": 5}', "transcript must be a text, got 5"),
    ):
        path.write_text(line)
        with pytest.raises(ManifestError, match=re.escape(message)):
            read_manifest(path)
    path.write_bytes(b'{"samples": 5, "transcript": "\xe9"}')
    with pytest.raises(ManifestError, match=r"in UTF-8; byte 30"):
        read_manifest(path)
    path.write_text("")
    with pytest.raises(ManifestError, match="no utterance"):
        read_manifest(path)


def test_the_stored_fit_is_what_chip_4_gives() -> None:
    found, equations = fit(fitted_chip())
    assert vars(found) == pytest.approx(vars(EnergyConstants.nominal().fitted), rel=1e-9)
    assert max(abs(one.residual) for one in equations) < 1e-9


def test_what_is_predicted_of_the_paper_s_chips() -> None:
    """Blind, but for chip 4: which chip is best, the system's efficiency within 7 %, operations' ratio within 2 %."""
    constants = EnergyConstants.nominal()
    system = RnntSystem(paper_chips(), constants.fitted.mean_code)
    # As long as a mean utterance of the paper's set, and as much said in it.
    report = rnnt_report([Utterance(209, 93, 6.25)], constants, system)
    assert [chip.frame_ns for chip in report.chips] == [2100, 2100, 2100, 2100, 1500]
    efficiency = [chip.tops_w for chip in report.chips]
    assert max(efficiency) == efficiency[3] == pytest.approx(12.40)
    assert min(efficiency) == efficiency[4]
    figures = {one.what: one.off for one in report.predictions if one.off is not None}
    for what in ("chips together", "system", "expanded: system"):
        assert abs(figures[what]) < 0.07
    assert abs(figures["expanded: operations, chips over host"]) < 0.02
    assert {one.what for one in report.predictions if one.fitted} == {"chip 4"}


@pytest.mark.long
def test_the_paper_s_set() -> None:
    """2,513 utterances in 1.2877 s, within 1 %, and 4.33 J, within 7 %."""
    folder = os.environ.get("DURAMESH_DATA")
    if not folder:
        pytest.skip("DURAMESH_DATA names no folder with librispeech_dev_clean/manifest.jsonl")
    batch = utterances(read_manifest(Path(folder) / "librispeech_dev_clean" / "manifest.jsonl"))
    constants = EnergyConstants.nominal()
    report = rnnt_report(batch, constants, RnntSystem(paper_chips(), constants.fitted.mean_code))
    assert len(batch) == 2513
    figures = {one.what: one for one in report.predictions}
    assert abs(figures["time of all"].off or 0) < 0.01
    assert abs(figures["operations on chips"].off or 0) < 0.01
    assert abs(figures["energy of chips"].off or 0) < 0.07
