"""`duramesh sweep`: a workload on many chips, at many ages, with many settings, on every core or a cluster."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosim.cli.analog import DEVICES
from cosim.cli.numbers import Numbers
from cosim.cli.options import (
    ALBERT_MODEL,
    AUDIO,
    CALIBRATION,
    CLIPS,
    EXAMPLES,
    GLUE_FOLDER,
    GLUE_TASK,
    HEAD_EXAMPLES,
    SAMPLES,
    SENTENCE_DATA,
    SENTENCE_MODEL,
    SPEAKER_MODEL,
    TRIALS,
    WHISPER_MODEL,
    chained,
)
from cosim.cli.rnnt import FIRST_LAYER, SPEECH_OR_WORDS, WEIGHTS
from cosim.cli.shared import FOLDER, INPUT, OUTPUT_FOLDER, Task, new_console, new_progress, print_files, resumable
from cosim.cli.workers import worker_options

if TYPE_CHECKING:
    from cosim.sweep import Subject, Workers
    from cosim.workloads.sweeping import Judged

__all__ = ["sweep"]

#: Seconds of a unit.
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "y": 365 * 86_400.0}


class _Ages(click.ParamType):
    """Ages like ``1h,1d,30d``: a tuple of seconds, ascending, each once."""

    name = "ages"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What --help shows."""
        return "1h,1d,30d"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(sorted({self._seconds(text.strip(), param, ctx) for text in str(value).split(",")}))

    def _seconds(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
        try:
            seconds = float(number) * _UNITS[text[len(number) :] or "s"]
        except (ValueError, KeyError):
            self.fail(f"{text!r} is no age; expected a number of {', '.join(_UNITS)}, e.g. 30d", param, ctx)
        if not 0 < seconds <= 1e10:
            self.fail(f"{text!r} is {seconds:g} s; expected more than 0 and at most 1e10 s", param, ctx)
        return seconds


class _Devices(click.ParamType):
    """Models of devices: ``pcm,hermes``."""

    name = "devices"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What --help shows."""
        return "pcm,hermes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(dict.fromkeys(DEVICES.convert(name.strip(), param, ctx) for name in str(value).split(",")))


class _Values(click.ParamType):
    """A constant and values that it takes: ``pcm.g_max_us=20,25``."""

    name = "values"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What --help shows."""
        return "NAME=V1,V2"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        name, equals, values = str(value).partition("=")
        found = tuple(dict.fromkeys(text.strip() for text in values.split(",")))
        if not equals or not name.strip() or not all(found):
            self.fail(f"{value!r}: expected a constant and its values, e.g. pcm.g_max_us=20,25", param, ctx)
        return name.strip(), found


#: Options of every sweep: its points, its folder and its workers.
_sweeping = chained(
    click.option("--chips", type=Numbers(), default="0", show_default=True, help="Seeds of the chips."),
    click.option("--age", "ages_s", type=_Ages(), default="1h", show_default=True, help="Ages of the reads."),
    click.option("--devices", type=_Devices(), default="pcm", show_default=True, help="Models of PCM devices."),
    click.option(
        "--set",
        "constants",
        type=_Values(),
        multiple=True,
        help="Values of a constant of the analog part: docs/physics.md. Repeatable: every combination.",
    ),
    click.option("--recalibrate", "recalibrated", is_flag=True, help="Calibrate chips again at the age of reads."),
    click.option("--out", type=OUTPUT_FOLDER, required=True, help="Folder of the sweep; it goes on from there."),
    worker_options,
    click.option("--json", "as_json", is_flag=True, help="Print summary.json instead of a table."),
)


def _run(
    prepare: "Callable[[Task], Subject]",
    *,
    chips: tuple[int, ...],
    ages_s: tuple[float, ...],
    devices: tuple[str, ...],
    constants: Iterable[tuple[str, tuple[str, ...]]],
    out: Path,
    workers: "Callable[[float, Path], Workers]",
    as_json: bool,
) -> None:
    """Do a sweep, draw and print it."""
    from cosim.files.json_text import to_json
    from cosim.sweep import Sweep, grid
    from cosim.sweep.report import print_summary, summary, write_report

    values = dict(constants)
    if len(values) != len(list(constants)):
        again = next(name for (name, _), (other, _) in pairwise(sorted(constants)) if name == other)
        raise click.UsageError(f"--set {again} stands twice; give all its values at once: {again}=V1,V2")
    points = grid(chips, ages_s, devices, values)
    with new_progress() as bar:
        task = Task(bar)
        task("preparing what all points share")
        subject = prepare(task)
        with Sweep(out, subject) as claimed:
            with resumable(out, bar):
                outcome = claimed.run(points, workers(subject.memory, out), say=task.paced)
            files = write_report(outcome, out)
    if as_json:
        click.echo(to_json(summary(outcome), indent=1))
        return
    console = new_console()
    print_summary(outcome, console)
    print_files(console, {name: str(path) for name, path in files.items()})


@click.group()
def sweep() -> None:
    """A workload on many chips, ages and settings, on every core or a cluster: docs/sweep.md."""


@sweep.command("kws")
@click.option("--audio", type=FOLDER, help="Speech Commands or its test archive. Default: synthesised speech.")
@click.option(
    "--features",
    type=INPUT,
    envvar="DURAMESH_FEATURES",
    help="Prepared features whose validation split calibrates the chips. [env: DURAMESH_FEATURES]",
)
@click.option("--clips", type=click.IntRange(1, 1_000_000), help="Classify N clips. Default: all, or 60 synthesised.")
@SAMPLES
@click.option("--model", type=INPUT, help="Checkpoint. Default: the shipped one.")
@_sweeping
def kws_sweep(
    audio: Path | None,
    features: Path | None,
    clips: int | None,
    seed: int,
    model: Path | None,
    recalibrated: bool,
    **choices: Any,
) -> None:
    """Keyword spotting: accuracy of every chip beside software's, on the twin."""
    from cosim.workloads.kws.model import CHECKPOINT
    from cosim.workloads.kws.sweep import subject

    _run(
        lambda _: subject(audio, features, clips, model=model or CHECKPOINT, recalibrated=recalibrated, seed=seed),
        **choices,
    )


def _judging(name: str, prepare: "Callable[[], Judged]", recalibrated: bool, trials: int, **choices: Any) -> None:
    """A sweep of a task that chips are held against software by."""
    from cosim.workloads.sweeping import subject

    _run(
        lambda task: subject(name, prepare, recalibrated=recalibrated, trials=trials, say=task.paced),
        **choices,
    )


@sweep.command("whisper")
@AUDIO
@WHISPER_MODEL
@CLIPS
@SAMPLES
@TRIALS
@_sweeping
def whisper_sweep(audio: Path, model: Path | None, clips: int | None, seed: int, **choices: Any) -> None:
    """Speech recognition with Whisper: word error rates beside software's."""
    from cosim.workloads.whisper.folder import whisper_folder
    from cosim.workloads.whisper.sweep import judged

    folder = (model or whisper_folder(audio)).absolute()
    _judging("whisper", partial(judged, audio.absolute(), folder, clips, seed), **choices)


@sweep.command("speaker")
@AUDIO
@SPEAKER_MODEL
@CLIPS
@SAMPLES
@TRIALS
@_sweeping
def speaker_sweep(audio: Path, model: Path, clips: int | None, seed: int, **choices: Any) -> None:
    """Speaker verification: equal error rates beside software's."""
    from cosim.workloads.speaker.sweep import judged

    _judging("speaker", partial(judged, audio.absolute(), model.absolute(), clips, seed), **choices)


@sweep.command("sentences")
@SENTENCE_DATA
@GLUE_TASK
@SENTENCE_MODEL
@EXAMPLES
@HEAD_EXAMPLES
@SAMPLES
@TRIALS
@_sweeping
def sentences_sweep(
    data: Path, task_name: str, model: Path, examples: int | None, train: int, seed: int, **choices: Any
) -> None:
    """Sentences as vectors and tasks of GLUE on top of them, beside software's."""
    from cosim.workloads.sentences.sweep import judged

    prepare = partial(judged, data.absolute(), task_name, model.absolute(), examples, train, seed)
    _judging("sentences", prepare, **choices)


@sweep.command("rnnt")
@SPEECH_OR_WORDS
@WEIGHTS
@FIRST_LAYER
@CLIPS
@SAMPLES
@TRIALS
@_sweeping
def rnnt_sweep(
    audio: Path | None, network: Path | None, first_layer: str, clips: int | None, seed: int, **choices: Any
) -> None:
    """Transcription with RNN-T: word error rates beside software's."""
    from cosim.workloads.rnnt.network import SHIPPED
    from cosim.workloads.rnnt.sweep import judged

    prepare = partial(judged, audio and audio.absolute(), (network or SHIPPED).absolute(), clips, first_layer, seed)
    _judging(f"rnnt, first layer {first_layer}", prepare, **choices)


@sweep.command("albert")
@GLUE_FOLDER
@GLUE_TASK
@ALBERT_MODEL
@EXAMPLES
@CALIBRATION
@SAMPLES
@TRIALS
@_sweeping
def albert_sweep(
    data: Path, task_name: str, model: Path, examples: int | None, calibration: int, seed: int, **choices: Any
) -> None:
    """ALBERT on a task of GLUE: its figures beside software's."""
    from cosim.workloads.albert.sweep import judged

    prepare = partial(judged, data.absolute(), task_name, model.absolute(), examples, calibration, seed)
    _judging(f"albert, calibrated with {calibration}", prepare, **choices)
