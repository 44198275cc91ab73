"""``python -m cosim.cli`` is ``duramesh``."""

from cosim.cli import main

main()
