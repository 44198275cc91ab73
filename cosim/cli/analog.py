"""Options that change constants of the analog part, the same for every command that makes a chip."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from analog_models.config import AnalogConfig

__all__ = ["AnalogChoice", "analog_options"]

#: Names of the models of PCM devices, as in `DEVICE_MODELS`, which would load numpy for --help; a test compares.
DEVICES = click.Choice(["pcm", "hermes"])

C = TypeVar("C", bound=Callable[..., Any])


@dataclass(frozen=True)
class AnalogChoice:
    """Constants of the analog part, as far as a command line says.

    Parameters
    ----------
    preset : str or None
        "nominal" or "ideal".
    devices : str or None
        Model of the PCM devices.
    constants : tuple of str
        Like ``pcm.g_max_us=20``.
    """

    preset: str | None = None
    devices: str | None = None
    constants: tuple[str, ...] = ()

    def config(self, base: "AnalogConfig | None" = None) -> "AnalogConfig":
        """The constants.

        Parameters
        ----------
        base : AnalogConfig, optional
            What is changed, unless another preset or device model is chosen. By default the nominal constants.

        Raises
        ------
        TomlError, ExperimentError
            On a constant that there is not, or a value that it cannot have.
        """
        from analog_models.config import AnalogConfig
        from cosim.experiment.file import change_constants

        if base is None or self.preset or self.devices not in (None, base.devices):
            preset = AnalogConfig.ideal if self.preset == "ideal" else AnalogConfig.nominal
            base = preset(self.devices or (base.devices if base else "pcm"))
        return change_constants(base, self.constants)


def analog_options(command: C) -> C:
    """Give a command the options `--analog`, `--devices` and `--set`; it takes an `AnalogChoice` as `analog`."""

    @click.option("--analog", "preset", type=click.Choice(["nominal", "ideal"]), help="Constants of the analog part.")
    @click.option(
        "--devices", type=DEVICES, help="PCM devices: pcm, of an earlier generation, or hermes, of a 14-nm chip."
    )
    @click.option(
        "--set",
        "constants",
        metavar="NAME=VALUE",
        multiple=True,
        help="Change a constant of the analog part, e.g. pcm.g_max_us=20: docs/physics.md. Repeatable.",
    )
    @wraps(command)
    def with_choice(
        *args: Any, preset: str | None, devices: str | None, constants: tuple[str, ...], **rest: Any
    ) -> Any:
        return command(*args, analog=AnalogChoice(preset, devices, constants), **rest)

    return with_choice  # type: ignore[return-value]
