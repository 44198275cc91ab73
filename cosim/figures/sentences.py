"""Study: a sentence transformer, judged by two tasks of GLUE, on one chip and on two."""

from functools import partial

from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Measurement
from cosim.figures.study import Figure, Study
from cosim.figures.tasks import Case, data_at, draw_layers, draw_scores, measured
from cosim.workloads.sentences.model import SentenceEncoder
from cosim.workloads.sentences.report import report
from cosim.workloads.sentences.workload import Judgement

__all__ = ["STUDY"]

#: Examples that the head is fitted on, and that are judged; those of a quick campaign.
_TRAIN, _JUDGED = 2_000, 100
_QUICK_TRAIN, _QUICK_JUDGED = 200, 20


def measure(campaign: Campaign) -> Measurement:
    """Both tasks on as many chips."""
    glue, encoder = data_at("glue"), SentenceEncoder.load(data_at("all-MiniLM-L6-v2"))
    train, judged = (_QUICK_TRAIN, _QUICK_JUDGED) if campaign.quick else (_TRAIN, _JUDGED)
    cases = []
    for name in ("SST-2", "STS-B"):
        task = Judgement.of(encoder, glue, name, judged, train)
        for chips, words in ((1, "one chip, 2-PCM"), (2, "two chips, balanced")):
            cases.append(Case(f"{name}, {words}", task.workload(campaign.analog, chips), partial(report, task, seed=0)))
    return measured(campaign, cases[:1] if campaign.quick else cases)


def _about(measurement: Measurement) -> str:
    first = measurement.numbers["cases"][0]
    return (
        f"{first['network']}, six layers of a BERT 384 wide, whose matrices are all on chips, and heads that were "
        f"fitted on vectors of the float network and judge those of the chips: {first['data']}."
    )


STUDY = Study(
    name="sentences",
    title="A sentence transformer",
    about=_about,
    measure=measure,
    figures=(
        Figure(
            "sentences-scores",
            "Scores with their intervals: software filled, chips without noise below it, noisy ones last.",
            draw_scores,
        ),
        Figure("sentences-layers", "What every matrix adds itself, fed with what it got.", draw_layers),
    ),
)
