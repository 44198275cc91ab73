"""Packages of extras, loaded where they are needed first."""

from importlib import import_module
from typing import Any

from cosim.files.errors import UserError

__all__ = ["MissingPackage", "needed"]


class MissingPackage(UserError, ImportError):
    """A package of an extra is not installed; the message says which extra has it."""


def needed(module: str, extra: str, why: str) -> Any:
    """A module of a package that an extra brings.

    Parameters
    ----------
    module : str
    extra : str
    why : str
        For the message: "counting word errors".

    Raises
    ------
    MissingPackage
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingPackage(
            f"{why} needs the package {module.partition('.')[0]}: pip install 'duramesh[{extra}]', or pip install -e "
            f"'.[{extra}]' in a checkout"
        ) from error
