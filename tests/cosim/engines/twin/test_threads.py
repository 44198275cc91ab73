"""The twin's products use one thread, whatever the user's environment says."""

import os
import subprocess
import sys

_COUNTED = """
from concurrent.futures import ThreadPoolExecutor
import numpy
from threadpoolctl import ThreadpoolController

def threads():
    return max(library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info())

before = threads()
import cosim.engines.twin
with ThreadPoolExecutor(1) as pool:
    print(before, threads(), pool.submit(threads).result())
"""


def test_to_import_the_twin_leaves_one_also_in_other_threads_of_the_process():
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run(
        [sys.executable, "-c", _COUNTED], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    before, after, elsewhere = map(int, ran.stdout.split())
    assert (after, elsewhere) == (1, 1)
    assert before in (1, 2)  # one on a machine with one core
