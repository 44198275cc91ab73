"""How `make test` shares the tests among its workers."""

from pathlib import Path

import pytest

#: Tests of these kinds take longest.
_LONGEST = ("chip", "cosimulation", "formal")


def pytest_configure(config: pytest.Config) -> None:
    """Let the workers take the groups in the order of `pytest_collection_modifyitems`."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests stay together, so that what they share is made once; files that take longest come first.

    Tests of several files that share something are a group by themselves.
    """
    places: dict[Path, int] = {}
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(item.config.rootpath).as_posix()))
        places[item.path] = min(_place(item), places.get(item.path, len(_LONGEST)))
    items.sort(key=lambda item: places[item.path])


def _place(item: pytest.Item) -> int:
    return next((place for place, kind in enumerate(_LONGEST) if item.get_closest_marker(kind)), len(_LONGEST))
