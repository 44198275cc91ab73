"""What several tests of sweeps share."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cosim.sweep import Given
from tests.cosim.sweep.swept import sweep


@pytest.fixture(scope="session")
def expected(tmp_path_factory) -> Path:
    """The folder of a sweep that nothing disturbed, done by a thread."""
    folder = tmp_path_factory.mktemp("sweep")
    with ThreadPoolExecutor(1) as thread:
        sweep(folder, Given(thread, window=1))
    return folder
