"""``python -m cosim.performance`` prints the table of constants that docs/energy.md carries."""

from cosim.performance.constants import EnergyConstants, energy_table

if __name__ == "__main__":
    print(energy_table(EnergyConstants.nominal()), end="")
