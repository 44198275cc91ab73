"""Inputs that are so much larger than a matrix's others that the host had better multiply them itself.

After gelu a few inputs of some layers are hundreds of times larger than the median one. Codes and conductances have one
range for all rows; whatever balance rows and scales find, the few cost the many their resolution, and errors of devices
grow with the inputs. Multiplied in float32, a handful of rows takes a few thousandths of a matrix's operations.

Source: the split is that of LLM.int8() (T. Dettmers et al., arXiv:2208.07339, section 3.2) for whole columns of inputs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cosim.calibration.ranges import Choice, MatrixRanges

__all__ = ["outliers"]

#: What twice as many rows with the host must take off the square error, beyond what as many rows have on average.
_WORTH = 0.2
#: Rows of matrices are equalised so far, whichever loses least, and nothing is cut off.
_EQUALISED = (0.25, 0.5, 0.75, 1.0)


def outliers(group: Sequence[MatrixRanges], share: float) -> tuple[int, ...]:
    """Inputs that the host shall keep, in ascending order: 0, 1, 2, 4, ..., as long as doubling them gains much.

    Parameters
    ----------
    group : sequence of MatrixRanges
        Matrices that get the same inputs; none has outliers yet.
    share : float
        Of the inputs, most that may be.
    """
    reach = np.max([matrix.largest_products for matrix in group], axis=0)
    order = np.argsort(-reach, kind="stable")
    found: tuple[int, ...] = ()
    least, count = _loss(group, ()), 1
    while count <= share * len(order):
        tried = tuple(sorted(order[:count].tolist()))
        average = (len(tried) - len(found)) / len(order)
        if (loss := _loss(group, tried)) > (1 - _WORTH) * (1 - average) * least:
            break
        found, least, count = tried, loss, 2 * count
    return found


def _loss(group: Sequence[MatrixRanges], tried: tuple[int, ...]) -> float:
    split = [replace(matrix, outliers=tried) for matrix in group]
    return min(sum(matrix.loss(Choice(equalise)) for matrix in split) for equalise in _EQUALISED)
