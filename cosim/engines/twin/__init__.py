"""The twin: programs and experiments on the analog models without RTL, bit by bit as the RTL engine.

To import it limits numpy's BLAS to one thread: `cosim.engines.twin.threads`.
"""

from cosim.engines.twin.engine import TwinEngine, make_chip
from cosim.engines.twin.threads import use_one_thread

__all__ = ["TwinEngine", "make_chip"]

use_one_thread()
