"""Commands that hold a network on chips against software: `duramesh whisper`, `speaker` and `sentences`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosim.cli.analog import AnalogChoice, analog_options
from cosim.cli.numbers import Numbers, RealRange
from cosim.cli.options import (
    AUDIO,
    CLIPS,
    EXAMPLES,
    GLUE_TASK,
    HEAD_EXAMPLES,
    SENTENCE_DATA,
    SENTENCE_MODEL,
    SPEAKER_MODEL,
    TRIALS,
    WHISPER_MODEL,
    chained,
)
from cosim.cli.shared import OUTPUT_FILE, OUTPUT_FOLDER, SEED, Task, new_progress, resumable, write_then_print

if TYPE_CHECKING:
    from cosim.workloads.comparison import Comparison, Settings, Workload
    from cosim.workloads.scores import ScoreReport

__all__ = ["Choices", "comparing", "sentences", "speaker", "whisper"]


#: Options of every command that holds chips against software.
comparing = chained(
    click.option(
        "--engine",
        type=click.Choice(["float", "ideal", "twin", "rtl", "both"]),
        default="twin",
        show_default=True,
        help="float: no chip; ideal: without noise, too; twin, rtl: noisy chips, too; both: every code compared.",
    ),
    click.option("--seed", type=SEED, default=0, show_default=True, help="Which samples, and which chips."),
    click.option("--seeds", type=Numbers(), help="Noisy chips, one system for each. Default: that of --seed."),
    click.option("--chips", type=click.IntRange(1, 64), help="Put the network on so many. Default: as documented."),
    click.option(
        "--age",
        "aged_s",
        type=RealRange(0, 1e10),
        help="Read noisy chips so many s after programming.",
    ),
    click.option("--recalibrate", is_flag=True, help="Calibrate them again at that age."),
    TRIALS,
    click.option("--errors", is_flag=True, help="Measure the errors of every matrix as well."),
    click.option(
        "--only",
        metavar="PATTERN",
        default="*",
        help="Only these matrices' products from chips, the others in float: whose errors cost what. Commas between.",
    ),
    click.option(
        "--rtl-frames",
        type=click.IntRange(min=1),
        help="With --engine both: at most so many frames of each call on the RTL, all on the twin. Default: all.",
    ),
    click.option("--json", "json_file", type=OUTPUT_FILE, help="Write the results there."),
    click.option(
        "--checkpoint", type=OUTPUT_FOLDER, help="Keep results in this folder as they come, and go on from there."
    ),
    analog_options,
)


@dataclass(frozen=True)
class Choices:
    """What `comparing` asks for."""

    engine: str
    analog: AnalogChoice
    seed: int
    seeds: tuple[int, ...] | None
    chips: int | None
    aged_s: float | None
    recalibrate: bool
    trials: int
    errors: bool
    only: str
    rtl_frames: int | None
    json_file: Path | None
    checkpoint: Path | None

    @property
    def settings(self) -> "Settings":
        from cosim.workloads.comparison import Settings

        if self.recalibrate and self.aged_s is None:
            raise click.UsageError("--recalibrate calibrates the chips again at an age; add --age")
        if self.rtl_frames is not None and self.engine != "both":
            raise click.UsageError("--rtl-frames leaves the other frames to the twin; add --engine both")
        return Settings(
            engine=self.engine,
            analog=self.analog.config(),
            seeds=self.seeds or (self.seed,),
            aged_s=self.aged_s,
            recalibrated=self.recalibrate,
            errors=self.errors,
            only=self.only,
            rtl_frames=self.rtl_frames,
            checkpoint=self.checkpoint,
        )

    def on_chips(self) -> dict[str, int]:
        """The number of chips, if one was given, as workloads take it."""
        return {} if self.chips is None else {"chips": self.chips}

    def run(
        self,
        prepare: "Callable[[Settings], Workload]",
        report: "Callable[[Comparison], ScoreReport]",
    ) -> None:
        """Prepare the samples, compare the engines, write and print."""
        from cosim.workloads.comparison import compare

        settings = self.settings
        with new_progress() as bar:
            task = Task(bar)
            task("preparing the samples")
            workload = prepare(settings)
            workload = replace(workload, options=replace(workload.options, trials=self.trials))
            with resumable(self.checkpoint, bar):
                comparison = compare(workload, settings, task)
        outcome = report(comparison)
        write_then_print({"json": (self.json_file, outcome.write_json)}, outcome.print)


@click.group()
def whisper() -> None:
    """Speech recognition with Whisper."""


@whisper.command("run")
@AUDIO
@WHISPER_MODEL
@CLIPS
@comparing
def whisper_run(audio: Path, model: Path | None, clips: int | None, **choices: Any) -> None:
    """Transcribe utterances in software and on chips, and count words that are wrong."""
    from cosim.workloads.whisper.folder import whisper_folder
    from cosim.workloads.whisper.model import WhisperModel
    from cosim.workloads.whisper.report import report
    from cosim.workloads.whisper.workload import Transcription

    chosen = Choices(**choices)
    task = Transcription.of(WhisperModel.load(model or whisper_folder(audio)), audio, clips, chosen.seed)
    chosen.run(
        lambda settings: task.workload(settings.analog, **chosen.on_chips()),
        lambda comparison: report(task, comparison, chosen.seed),
    )


@click.group()
def speaker() -> None:
    """Speaker verification with a recurrent network."""


@speaker.command("run")
@AUDIO
@SPEAKER_MODEL
@CLIPS
@click.option("--windows", type=click.IntRange(1, 1_000), help="Hear N windows of an utterance at most. Default: all.")
@comparing
def speaker_run(audio: Path, model: Path, clips: int | None, windows: int | None, **choices: Any) -> None:
    """Tell speakers apart in software and on chips: equal error rate over all pairs of utterances."""
    from cosim.workloads.speaker.report import report
    from cosim.workloads.speaker.workload import SpeakerEncoder, Verification

    chosen = Choices(**choices)
    task = Verification.of(SpeakerEncoder.load(model), audio, clips, chosen.seed, most=windows)
    chosen.run(
        lambda settings: task.workload(settings.analog, **chosen.on_chips()),
        lambda comparison: report(task, comparison, chosen.seed),
    )


@click.group()
def sentences() -> None:
    """Sentences as vectors, and tasks of GLUE on top of them."""


@sentences.command("run")
@SENTENCE_DATA
@GLUE_TASK
@SENTENCE_MODEL
@EXAMPLES
@HEAD_EXAMPLES
@comparing
def sentences_run(data: Path, task_name: str, model: Path, examples: int | None, train: int, **choices: Any) -> None:
    """Judge sentences in software and on chips, with a head that was fitted on vectors of the float network."""
    from cosim.workloads.sentences.model import SentenceEncoder
    from cosim.workloads.sentences.report import report
    from cosim.workloads.sentences.workload import Judgement

    chosen = Choices(**choices)
    task = Judgement.of(SentenceEncoder.load(model), data, task_name, examples, train, chosen.seed)
    chosen.run(
        lambda settings: task.workload(settings.analog, **chosen.on_chips()),
        lambda comparison: report(task, comparison, chosen.seed),
    )
