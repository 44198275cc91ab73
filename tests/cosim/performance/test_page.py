"""docs/energy.md carries the constants and the figures that commands give."""

from pathlib import Path

from cosim.performance.constants import EnergyConstants, energy_table

PAGE = Path(__file__).parents[3] / "docs" / "energy.md"


def test_the_page_has_every_constant() -> None:
    assert energy_table(EnergyConstants.nominal()) in PAGE.read_text(encoding="utf-8")
