"""Everything that drives the chip: compiler, engines, cocotb agents, workloads, command line."""

from importlib.util import find_spec
from os.path import dirname, join, realpath


def _check_neighbours() -> None:
    """A package `rtl` or `analog_models` that Python finds before ours would give errors that nobody understands."""
    for name in ("rtl", "analog_models"):
        ours = join(dirname(dirname(realpath(__file__))), name)
        spec = find_spec(name)
        if spec is None:
            raise ImportError(f"there is no package {name} in {ours}; install duramesh again")
        found = realpath(dirname(spec.origin) if spec.origin else next(iter(spec.submodule_search_locations or "")))
        if found != ours:
            raise ImportError(
                f"the package {name} of duramesh in {ours} is hidden by {spec.origin or found}, which Python finds "
                "first; rename that, or start Python where it does not see it"
            )


_check_neighbours()
