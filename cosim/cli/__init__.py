"""The command `duramesh`."""

# ruff: noqa: E402 -- what comes first has to be first

from cosim.cli import beginning

beginning.hold()

import os
import signal
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from types import FrameType
from typing import IO, Any, NoReturn

import click

from cosim.cli.albert import albert
from cosim.cli.comparisons import sentences, speaker, whisper
from cosim.cli.energy import energy
from cosim.cli.measurements import bench, figures, transport, verify
from cosim.cli.networks import compile_, infer, where
from cosim.cli.programs import asm, disasm, view
from cosim.cli.rnnt import rnnt
from cosim.cli.run import run
from cosim.cli.sweeps import sweep
from cosim.cli.verilog import verilog
from cosim.cli.workloads import kws

__all__ = ["INTERNAL_ERROR", "main"]

#: Exit status after a bug of ours: EX_SOFTWARE of sysexits.h.
INTERNAL_ERROR = 70


class _Group(click.Group):
    """Ends every command with a true result, or with one clear line and a status that is not 0.

    ==============  ======================================================================
    exit status     after
    ==============  ======================================================================
    0               success
    1               an error of the run: its message says what, where, and how to mend it
    2               an error in the command line
    70              a bug of ours: a traceback, and a request to report it
    130             Ctrl-C
    129, 143        SIGHUP, SIGTERM: files that are half written are removed
    ==============  ======================================================================
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        beginning.hold()
        try:
            return super().main(*args, **kwargs)
        finally:
            beginning.release()

    def invoke(self, ctx: click.Context) -> object:
        beginning.release()
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            _end_interrupted()
        except BrokenPipeError:
            raise  # click ends quietly: whoever read the output has seen enough
        except Exception as error:
            if isinstance(error.__cause__, KeyboardInterrupt):  # which classes wrap that are made at that moment
                _end_interrupted()
            if ctx.params["debug"]:
                traceback.print_exc()
            if (message := _for_the_user(error)) is None:
                _report_bug(error, shown=ctx.params["debug"])
            raise click.ClickException(message) from error


def _end_interrupted() -> NoReturn:
    click.echo("interrupted", err=True)
    raise click.exceptions.Exit(130)


def _for_the_user(error: Exception) -> str | None:
    """What to say of an error that is none of ours; None if it is a bug."""
    from analog_models.chip import AnalogFileError
    from cosim.files.errors import UserError

    if isinstance(error, (UserError, AnalogFileError)):
        return str(error)
    if isinstance(error, OSError):
        if error.filename is not None:
            return f"{os.fsdecode(error.filename)}: {error.strerror or error}"
        _abandon(sys.stdout)  # what could not be written is still in its buffer
        return f"writing or reading failed: {error.strerror or error}; is the disk full?"
    if isinstance(error, MemoryError):
        return f"out of memory ({error}); give less at once"
    return None


def _report_bug(error: Exception, *, shown: bool) -> NoReturn:
    if not shown:
        traceback.print_exc()
    click.echo(
        f"\nThis is a bug of duramesh, not a mistake of yours: {type(error).__name__}. "
        "Please report it with the lines above and the command.",
        err=True,
    )
    raise click.exceptions.Exit(INTERNAL_ERROR)


def _abandon(stream: IO[str] | None) -> None:
    """Let what is left in the buffer of a stream go, so that the interpreter does not fail on it at its end."""
    if stream is not None:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _print_any_text() -> None:
    """Names of files that are no text, and characters that the terminal lacks, are printed with backslashes."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"warning: {message}", err=True)


def _end_in_order(ctx: click.Context) -> None:
    """As long as the command runs, let signals that would end it at once unwind it first."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # and not ignored, as under nohup
            signal.signal(number, _exit)
            ctx.call_on_close(lambda number=number: signal.signal(number, signal.SIG_DFL))


def _exit(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _keep_interrupts(ctx: click.Context) -> None:
    """As long as the command runs, let no interrupt be lost in a finaliser or a callback of C, where Python ignores it.

    It is sent once more, from another thread: the hook itself is such a place.
    """
    ignored = sys.unraisablehook

    def hook(what: "sys.UnraisableHookArgs") -> None:
        number: int | None = None
        if isinstance(what.exc_value, KeyboardInterrupt):
            number = signal.SIGINT
        elif isinstance(what.exc_value, SystemExit) and isinstance(what.exc_value.code, int):
            number = what.exc_value.code - 128
        if number not in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            return ignored(what)
        again = threading.Timer(0.1, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
        return None

    sys.unraisablehook = hook
    ctx.call_on_close(lambda: setattr(sys, "unraisablehook", ignored))


@click.group(cls=_Group)
@click.version_option(package_name="duramesh")
@click.option("--debug", is_flag=True, envvar="DURAMESH_DEBUG", help="Show where in the code an error arose.")
@click.pass_context
def main(ctx: click.Context, debug: bool) -> None:
    """An analog-AI inference chip: 34 PCM tiles, a mesh of durations, controller programs, RTL."""
    _print_any_text()
    _end_in_order(ctx)
    _keep_interrupts(ctx)
    ctx.with_resource(warnings.catch_warnings())
    warnings.showwarning = _say_warning


_WORKLOADS = (kws, rnnt, albert, whisper, speaker, sentences)
_NETWORKS = (compile_, infer, where, sweep, energy)
_CHIP = (run, view, asm, disasm, verilog, verify, transport, bench, figures)
for _command in (*_WORKLOADS, *_NETWORKS, *_CHIP):
    main.add_command(_command)

beginning.release()
