"""Options that several commands of workloads have alike."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cosim.cli.shared import FILE, FOLDER, SEED

__all__ = [
    "ALBERT_MODEL",
    "AUDIO",
    "CALIBRATION",
    "CLIPS",
    "EXAMPLES",
    "GLUE_FOLDER",
    "GLUE_TASK",
    "GLUE_TASKS",
    "HEAD_EXAMPLES",
    "SAMPLES",
    "SENTENCE_DATA",
    "SENTENCE_MODEL",
    "SPEAKER_MODEL",
    "TRIALS",
    "WHISPER_MODEL",
    "chained",
]

Command = TypeVar("Command", bound=Callable[..., Any])
#: Options as decorators.
Option = Callable[[Any], Any]

#: Of `cosim.workloads.glue.TASKS`, which would load numpy for --help; a test compares.
GLUE_TASKS = ("RTE", "MRPC", "CoLA", "SST-2", "QNLI", "QQP", "MNLI", "STS-B")


def chained(*options: Option) -> Callable[[Command], Command]:
    """Several options as one decorator; --help shows them in this order."""

    def give(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return give


SAMPLES = click.option("--seed", type=SEED, default=0, show_default=True, help="Which samples.")
TRIALS = click.option(
    "--trials",
    type=click.IntRange(min=0),
    default=24,
    show_default=True,
    help="Evaluations of the whole network by which ranges are refined.",
)

# Speech.
AUDIO = click.option("--audio", type=FOLDER, required=True, help="A split of LibriSpeech, such as dev-clean.")
CLIPS = click.option("--clips", type=click.IntRange(1, 1_000_000), help="Judge by N utterances. Default: all.")
WHISPER_MODEL = click.option(
    "--model",
    type=FOLDER,
    envvar="DURAMESH_WHISPER",
    help="Hugging Face folder of a Whisper model. Default: found as documented. [env: DURAMESH_WHISPER]",
)
SPEAKER_MODEL = click.option("--model", type=FILE, required=True, help="ONNX file of a speaker encoder.")

# Text.
GLUE_TASK = click.option("--task", "task_name", type=click.Choice(GLUE_TASKS), default="SST-2", show_default=True)
EXAMPLES = click.option("--examples", type=click.IntRange(1, 1_000_000), help="Judge by N examples. Default: all.")
SENTENCE_DATA = click.option("--data", type=FOLDER, required=True, help="Folder of GLUE, with a folder for each task.")
SENTENCE_MODEL = click.option(
    "--model", type=FOLDER, required=True, help="Hugging Face folder of a sentence transformer."
)
HEAD_EXAMPLES = click.option(
    "--train",
    type=click.IntRange(20, 1_000_000),
    default=5_000,
    show_default=True,
    help="Fit the head on N training examples.",
)
GLUE_FOLDER = click.option(
    "--data", type=FOLDER, required=True, envvar="GLUE", help="Folder of GLUE, with a folder for each task. [env: GLUE]"
)
ALBERT_MODEL = click.option(
    "--model",
    type=FOLDER,
    required=True,
    envvar="ALBERT",
    help="Hugging Face folder of an ALBERT tuned on the task. [env: ALBERT]",
)
CALIBRATION = click.option(
    "--calibration",
    type=click.IntRange(1, 4096),
    default=16,
    show_default=True,
    help="Choose ranges and calibrate with N other examples.",
)
