"""cocotb, imported before anything else of this package imports it, whatever the shell says of other runs of it.

It reads variables as it is imported and refuses values that it does not know, here in a process that simulates nothing.
"""

import os

_SHELL = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("COCOTB_")}
try:
    import cocotb  # noqa: F401 - in a simulator it is there already, with the variables that its test bench was given
finally:
    os.environ.update(_SHELL)
