"""What a comparison of engines says about transcripts."""

from cosim.files.wording import counted
from cosim.workloads.comparison import Comparison
from cosim.workloads.rnnt.workload import Transcription
from cosim.workloads.scores import Score, ScoreReport

__all__ = ["report"]


def report(task: Transcription, comparison: Comparison, seed: int) -> ScoreReport:
    """Word error rates, and every transcript. Of weights that nobody has trained, no rate is told: there is none."""
    names = [one.name for one in task.spoken]
    trained = task.model.weights.trained
    errors = Score(
        "wer",
        "word error rate",
        lambda results: task.word_errors(results).rate,
        lambda results: task.word_errors(results).interval(seed=seed),
    )
    words = int(task.word_errors(comparison.variants["software"].results).words.sum())
    seconds = sum(one.seconds for one in task.spoken)
    transcripts = {name: task.texts(variant.results) for name, variant in comparison.variants.items()}
    notes = [("words", f"{words:,} in {counted(len(names), 'utterance')} of {seconds:,.1f} s")]
    if not trained:
        notes.append(("weights", "random: what is transcribed means nothing, so no rate is told"))
    return ScoreReport(
        comparison,
        (errors,) if trained else (),
        task.source,
        seed,
        task.remarks.lines(),
        {
            "clips": len(names),
            "words": words,
            "seconds": seconds,
            "shape": vars(task.model.weights.shape),
            "references": dict(zip(names, (one.transcript for one in task.spoken), strict=True)),
            "transcripts": {name: dict(zip(names, texts, strict=True)) for name, texts in transcripts.items()},
        },
        notes,
    )
