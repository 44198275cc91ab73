"""Study: a trained recurrent network tells speakers apart, on two chips with asymmetry balance and on one without."""

from functools import partial

from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Measurement
from cosim.figures.study import Figure, Study
from cosim.figures.tasks import Case, codes_compared, data_at, draw_layers, draw_scores, measured
from cosim.workloads.speaker.report import report
from cosim.workloads.speaker.workload import SpeakerEncoder, Verification

__all__ = ["STUDY"]

#: Utterances, and windows of each at most; of a quick campaign.
_FULL, _QUICK = (240, 4), (8, 1)


def measure(campaign: Campaign) -> Measurement:
    """Every case; the first utterance goes through the RTL."""
    audio = data_at("librispeech_dev_clean", "dev-clean")
    encoder = SpeakerEncoder.load(data_at("speaker_lstm", "dvector_lstm768.onnx"))
    clips, windows = _QUICK if campaign.quick else _FULL
    task = Verification.of(encoder, audio, clips, most=windows)
    cases = [
        Case(name, task.workload(campaign.analog, chips), partial(report, task, seed=0), on_rtl)
        for name, chips, on_rtl in (("two chips, balanced", 2, len(task.windows[0])), ("one chip, 2-PCM", 1, 0))
    ]
    return measured(campaign, cases[:1] if campaign.quick else cases)


def _about(measurement: Measurement) -> str:
    cases = measurement.numbers["cases"]
    first = cases[0]
    return (
        f"{first['network']}, three LSTM layers 768 wide and a projection, as somebody else trained them; "
        f"{first['data']}, {first['windows']:,} windows of 80 steps, in each of which the host waits for the chips. "
        f"The equal error rate is over all {first['pairs']:,} pairs. One utterance went through the RTL as well, and "
        f"all {codes_compared(cases):,} codes were the twin's."
    )


STUDY = Study(
    name="speaker",
    title="A trained recurrent network",
    about=_about,
    measure=measure,
    figures=(
        Figure(
            "speaker-rates",
            "Equal error rates with their intervals: software filled, chips without noise below it, noisy ones last.",
            draw_scores,
        ),
        Figure("speaker-layers", "What every matrix adds itself, fed with what it got.", draw_layers),
    ),
)
