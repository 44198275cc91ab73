"""``python -m cosim.workloads.predictions.fitting`` fits the energy model on chip 4 and stores what it finds."""

from cosim.files.archive import write_text
from cosim.performance.constants import FITTED_FILE, Fitted
from cosim.performance.fit import Equation, fit
from cosim.workloads.predictions.rnnt_chips import fitted_chip

__all__ = ["fitted_anew"]


def fitted_anew() -> tuple[Fitted, list[Equation]]:
    """The fit on chip 4's programs."""
    return fit(fitted_chip())


def main() -> None:
    found, equations = fitted_anew()
    write_text(FITTED_FILE, found.to_text([one.to_json() for one in equations]))
    for one in equations:
        print(f"{one.figure}: {one.model:.3f} TOPS/W, the paper {one.paper}, off by {one.residual:+.1e}")


if __name__ == "__main__":
    main()
