"""A user's program with types: a vector sent by hand, a compiled network, both on the twin.

`mypy --strict` accepts it as it stands (`make lint`), so the public signatures say what they mean; it runs, too.
"""

import numpy as np
from numpy.typing import NDArray

from analog_models import AnalogConfig, ProgrammingReport
from analog_models.programming import program as write_weights
from cosim.compiler import MappingOptions, compile_network
from cosim.engines.golden import GoldenEngine
from cosim.engines.results import Results
from cosim.engines.twin import TwinEngine, make_chip
from cosim.experiment import Experiment, ExperimentError, Record
from cosim.graph import Activation, FeedForwardNetwork, Layer
from cosim.isa.assembler import AssemblyError, assemble, disassemble
from cosim.program import Program, Unit
from rtl.config import ChipConfig, preset
from rtl.isa import Pattern, UnitKind

CONFIG: ChipConfig = preset("small")
LISTINGS: dict[Unit, str] = {
    Unit(UnitKind.ILP, 0): "@10 PULSE fire\nHALT",
    Unit(UnitKind.TILE, 0): "MESH west_to_net=all, net_to_south=all\nHALT",
    Unit(UnitKind.TILE, 2): "MESH north_to_net=all, net_to_west=all\nHALT",
    Unit(UnitKind.OLP, 0): "@10 COUNT open\n@270 COUNT store\nHALT",
}


def words_of(unit: Unit, listing: str) -> tuple[int, ...]:
    kind: UnitKind = unit.kind
    try:
        return assemble(listing, kind, CONFIG, str(unit))
    except AssemblyError as error:
        raise SystemExit(f"line {error.line}, column {error.column}: {error.text}") from error


def sent_by_hand(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes of one vector after their way over two tiles of the mesh."""
    units = {unit: words_of(unit, listing) for unit, listing in LISTINGS.items()}
    try:
        experiment = Experiment(CONFIG, units, vectors={0: codes}, cycles=1000)
    except ExperimentError as error:
        raise SystemExit(f"{error.part}: {error}") from error
    records: list[Record] = TwinEngine().perform([experiment])
    (golden,) = GoldenEngine(CONFIG).perform([experiment])
    difference: str | None = records[0].difference(golden)
    if difference is not None or records[0].flagged:
        raise SystemExit(difference or records[0].error_report(CONFIG))
    return records[0].results[0][:1]


def compiled(inputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of a layer of 4 neurons over 16 inputs, on a chip of nominal constants."""
    weights = np.linspace(-1, 1, 64).reshape(16, 4)
    network = FeedForwardNetwork((Layer(weights, Activation.LINEAR, full_scale=8.0),))
    program: Program = compile_network(network, CONFIG, MappingOptions(overlapped=False))
    chip = make_chip(program, AnalogConfig(), seed=1)
    report: ProgrammingReport = write_weights(chip, program.targets)
    print(report)
    results: Results = TwinEngine().run(program, chip, inputs)
    return results.values("layer0")


def main() -> None:
    name: str = UnitKind.TILE.name
    number: int = Pattern.ALL.value
    print(name, number, disassemble(words_of(Unit(UnitKind.TILE, 0), "MESH west_to_net=all\nHALT"), UnitKind.TILE))
    codes = np.arange(0, 256, 16, dtype=np.uint8)[None]
    print(sent_by_hand(codes))
    print(compiled(np.linspace(-1, 1, 32).reshape(2, 16)))


if __name__ == "__main__":
    main()
