"""Every proof there is: importing a module of proofs registers them."""

from tests.formal import host_port, landing_pads, local_controller, mesh, sequencer, tile
from tests.formal.harness import PROOFS

__all__ = ["OF", "PROOFS", "find"]

#: Source of the RTL -> modules of proofs about it.
OF = {
    "rtl/sequencer.py": (sequencer,),
    "rtl/local_controller.py": (local_controller, tile),
    "rtl/mesh.py": (mesh, tile),
    "rtl/tile.py": (tile,),
    "rtl/input_landing_pad.py": (landing_pads,),
    "rtl/output_landing_pad.py": (landing_pads,),
    "rtl/host_port.py": (host_port,),
}


def find(*patterns: str) -> list[str]:
    """Names of the proofs that contain one of `patterns`; all of them without any.

    Raises
    ------
    ValueError
        If a pattern fits none.
    """
    for pattern in patterns:
        if not any(pattern in name for name in PROOFS):
            raise ValueError(f"no proof is called {pattern!r}; there are: {', '.join(PROOFS)}")
    return [name for name in PROOFS if not patterns or any(pattern in name for pattern in patterns)]
