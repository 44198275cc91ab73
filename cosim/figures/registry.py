"""Which studies there are, in the order of the report."""

from collections.abc import Sequence
from importlib import import_module

from cosim.figures.study import Study
from cosim.files.errors import UserError

__all__ = ["STUDIES", "UnknownStudyError", "load_study", "select"]

#: Modules of this package that have a `STUDY`. They are imported when asked for: some of them need much.
STUDIES = (
    "programming",
    "mac",
    "linearity",
    "accuracy",
    "networks",
    "energy",
    "whisper",
    "speaker",
    "sentences",
    "rnnt",
    "albert",
    "training",
    "drift",
    "timing",
    "transport",
    "verification",
)


class UnknownStudyError(UserError, ValueError):
    """No study has this name; the message lists those there are."""


def load_study(name: str) -> Study:
    """The study called `name`.

    Raises
    ------
    UnknownStudyError
    """
    if name not in STUDIES:
        raise UnknownStudyError(f"no study {name!r}; there are: {', '.join(STUDIES)}")
    study: Study = import_module(f"cosim.figures.{name}").STUDY
    return study


def select(names: Sequence[str]) -> list[Study]:
    """The studies of these names, or all, in the order of the report.

    Raises
    ------
    UnknownStudyError
    """
    for name in names:
        load_study(name)
    return [load_study(name) for name in STUDIES if not names or name in names]
