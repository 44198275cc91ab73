"""What a comparison of engines says about transcripts."""

from collections.abc import Callable

from cosim.files.wording import counted
from cosim.workloads.comparison import Comparison
from cosim.workloads.scores import Score, ScoreReport
from cosim.workloads.transcripts import lower_case_words, normalised
from cosim.workloads.whisper.workload import Transcription

__all__ = ["report"]


def report(task: Transcription, comparison: Comparison, seed: int) -> ScoreReport:
    """Word error rates by Whisper's rules and by plain ones, and every transcript."""

    def score(key: str, words: str, words_of: Callable[[str], str]) -> Score:
        return Score(
            key,
            words,
            lambda results: task.word_errors(results, words_of).rate,
            lambda results: task.word_errors(results, words_of).interval(seed=seed),
        )

    names = [one.utterance.name for one in task.recorded]
    loops = comparison.each(task.loops)
    references = [one.utterance.transcript for one in task.recorded]
    words = int(task.word_errors(comparison.variants["software"].results).words.sum())
    return ScoreReport(
        comparison,
        (score("wer", "word error rate", normalised), score("wer_plain", "without Whisper's rules", lower_case_words)),
        task.source,
        seed,
        task.remarks.lines(),
        {
            "clips": len(names),
            "words": words,
            "loops": loops,
            "references": dict(zip(names, references, strict=True)),
            "transcripts": {
                name: dict(zip(names, task.texts(variant.results), strict=True))
                for name, variant in comparison.variants.items()
            },
        },
        [
            ("words", f"{words:,} in {counted(len(names), 'utterance')}"),
            ("ended by the limit of tokens", ", ".join(f"{name} {count}" for name, count in loops.items())),
        ],
    )
