"""A network on its chips, ready to run; and long runs, which are kept as they go and gone on with."""

from cosim.system.building import BuildOptions, build
from cosim.system.image import SystemImage
from cosim.system.network import Network
from cosim.system.system import Run, System

__all__ = ["BuildOptions", "Network", "Run", "System", "SystemImage", "build"]
