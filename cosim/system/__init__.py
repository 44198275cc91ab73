"""A network on its chips, ready to run; and long runs, which are kept as they go and gone on with."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cosim.system.building import BuildOptions, build
    from cosim.system.image import SystemImage
    from cosim.system.network import Network
    from cosim.system.system import Run, System

__all__ = ["BuildOptions", "Network", "Run", "System", "SystemImage", "build"]

#: Module of every name, loaded when the name is asked for: who wants a checkpoint only need not wait for a compiler.
_MODULES = {
    "BuildOptions": "building",
    "Network": "network",
    "Run": "system",
    "System": "system",
    "SystemImage": "image",
    "build": "building",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
