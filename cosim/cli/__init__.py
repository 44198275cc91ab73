"""The command `duramesh`."""

import click

from cosim.cli.measurements import bench, figures, transport, verify
from cosim.cli.programs import asm, disasm, run, view
from cosim.cli.verilog import verilog
from cosim.cli.workloads import kws

__all__ = ["main"]


class _Group(click.Group):
    """Turns the project's own errors into one clear line and exit status 1; anything else is a bug and shows itself."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if isinstance(error, _own_errors()):
                raise click.ClickException(str(error)) from error
            raise


def _own_errors() -> tuple[type[Exception], ...]:
    """Errors of the project, whose messages are for the user. They are imported when one may be at hand, not before."""
    from analog_models.chip import AnalogFileError
    from cosim.compiler import MappingError
    from cosim.engines.checked import EngineDifference
    from cosim.engines.rtl.agents.errors import ChipError
    from cosim.engines.rtl.build import BuildError
    from cosim.engines.rtl.simulator import SimulationError
    from cosim.experiment import ExperimentError, RecordError
    from cosim.experiment.toml_source import TomlError
    from cosim.fabric.events import ScheduleError
    from cosim.figures.evidence import EvidenceError
    from cosim.figures.registry import UnknownStudyError
    from cosim.graph.feed_forward import NetworkError
    from cosim.isa.assembler import AssemblyError
    from cosim.isa.vectors import VectorError
    from cosim.program import ProgramError
    from cosim.system.checkpoint import CheckpointError
    from cosim.verification.command import StateError
    from cosim.workloads.kws.dataset import DatasetError
    from cosim.workloads.kws.features import AudioError
    from cosim.workloads.kws.synthesiser import SynthesiserError

    return (
        AnalogFileError,
        AssemblyError,
        AudioError,
        BuildError,
        CheckpointError,
        ChipError,
        DatasetError,
        EngineDifference,
        EvidenceError,
        ExperimentError,
        MappingError,
        NetworkError,
        ProgramError,
        RecordError,
        ScheduleError,
        SimulationError,
        StateError,
        SynthesiserError,
        TomlError,
        UnknownStudyError,
        VectorError,
    )


@click.group(cls=_Group)
@click.version_option(package_name="duramesh")
def main() -> None:
    """An analog-AI inference chip: 34 PCM tiles, a mesh of durations, controller programs, RTL."""


for _command in (kws, run, view, asm, disasm, verilog, verify, transport, bench, figures):
    main.add_command(_command)
