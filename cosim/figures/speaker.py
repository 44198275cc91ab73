"""Study: a trained recurrent network tells speakers apart, on two chips with asymmetry balance and on one without."""

from functools import partial

from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Measurement
from cosim.figures.study import Figure, Study
from cosim.figures.tasks import Case, codes_compared, data_at, draw_layers, draw_scores, measured
from cosim.files.wording import counted
from cosim.workloads.speaker.report import report
from cosim.workloads.speaker.workload import SpeakerEncoder, Verification

__all__ = ["STUDY"]

#: Utterances, and windows of each at most; of a quick campaign.
_FULL: tuple[int, int | None] = (60, None)
_QUICK = (8, 1)
#: Sets of chips that are read after a month as well.
_AGED = 1


def measure(campaign: Campaign) -> Measurement:
    """Every case; the shortest utterance goes through the RTL."""
    audio = data_at("librispeech_dev_clean", "dev-clean")
    encoder = SpeakerEncoder.load(data_at("speaker_lstm", "dvector_lstm768.onnx"))
    clips, windows = _QUICK if campaign.quick else _FULL
    task = Verification.of(encoder, audio, clips, most=windows)
    cases = [
        Case(name, task.workload(campaign.analog, chips), partial(report, task, seed=0), on_rtl=on_rtl, aged=_AGED)
        for name, chips, on_rtl in (("two chips, balanced", 2, _shortest(task)), ("one chip, 2-PCM", 1, ()))
    ]
    return measured(campaign, cases[:1] if campaign.quick else cases)


def _shortest(task: Verification) -> range:
    """The windows of the shortest utterance, as samples."""
    counts = [len(windows) for windows in task.windows]
    at = counts.index(min(counts))
    first = sum(counts[:at])
    return range(first, first + counts[at])


def _about(measurement: Measurement) -> str:
    cases = measurement.numbers["cases"]
    first = cases[0]
    return (
        f"{first['network']}, three LSTM layers 768 wide and a projection, as somebody else trained them; "
        f"{first['data']}, {counted(first['windows'], 'window')} of 80 steps, in each of which the host waits for "
        f"the chips. The equal error rate is over all {counted(first['pairs'], 'pair')}. The shortest "
        f"utterance, {counted(first['on_rtl']['samples'], 'window')}, went through the RTL as well, and all "
        f"{codes_compared(cases):,} codes were the twin's."
    )


STUDY = Study(
    name="speaker",
    title="A trained recurrent network",
    about=_about,
    measure=measure,
    figures=(
        Figure(
            "speaker-rates",
            "Equal error rates with their intervals: software filled, chips without noise below it, then noisy ones; "
            "squares are old chips.",
            draw_scores,
        ),
        Figure("speaker-layers", "What every matrix adds itself, fed with what it got.", draw_layers),
    ),
)
