"""``python -m analog_models`` prints the table of constants that docs/physics.md carries."""

from analog_models.config import AnalogConfig
from analog_models.constants import constants_table
from analog_models.hermes import Hermes
from analog_models.programming import Programming
from analog_models.reception import TransportConfig


def constants_document() -> str:
    """Every constant of the analog models, nominal and ideal, with unit and source."""
    nominal, ideal = AnalogConfig.nominal(), AnalogConfig.ideal()
    loop = Programming()
    return constants_table(
        (nominal.pcm, ideal.pcm),
        (Hermes(), Hermes.ideal()),
        (nominal.periphery, ideal.periphery),
        (TransportConfig(), ideal.transport),
        (nominal, ideal),
        (loop, loop),
    )


if __name__ == "__main__":
    print(constants_document(), end="")
