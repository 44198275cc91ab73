"""How exactly durations cross the chip: one landing pad sends random vectors to all others' counters at once.

The experiment of Fig. 2d of Nature 620, 768 (2023), with ideal wires, where every code must come back as it was sent,
and with the transport errors of `analog_models.reception`. Those are modelled: this measures the fabric and the model,
and no silicon.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analog_models.config import AnalogConfig
from analog_models.reception import TransportConfig
from cosim.compiler.router import Connection, Router, switches
from cosim.engines.engine import Engine
from cosim.engines.results import Results, describe_speed
from cosim.engines.twin.engine import make_chip
from cosim.fabric.checker import check
from cosim.fabric.mesh_graph import Lanes, Place
from cosim.files.archive import write_text
from cosim.files.json_text import to_json
from cosim.files.printing import print_table
from cosim.files.wording import counted
from cosim.isa.assembler import assemble
from cosim.isa.words import ILP, OLP, TILE, Operation, encode
from cosim.program import InputSlot, OutputSlot, Program, Unit
from rtl.config import ChipConfig, Edge, preset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "MODELLED",
    "PAPER_BOUND_NS",
    "RANGES_NS",
    "TransportReport",
    "measure_transport",
    "multicast_program",
]

#: Longest duration of each range; all begin with 0. Source: Fig. 2d.
RANGES_NS = (50, 100, 150, 200, 250)
#: Largest error that the paper reports for a range.
PAPER_BOUND_NS = {50: 3, 100: 5, 150: 5, 200: 5, 250: 5}
#: What every output of the experiment says.
MODELLED = "transport errors are modelled (analog_models/reception.py), not measured on silicon"
#: The landing pad that sends, where the chip has it.
_SOURCE = "SW"
#: Cycles: from the start to the first pulses, for which the pointers are loaded; from the end of the longest pulse to
#: the end of the window, because a receiver lets it fall up to six late; from there to the next pulses.
_LEAD, _LATE, _GAP = 10, 10, 10


def multicast_program(config: ChipConfig, longest: int, source: int = 0) -> Program:
    """One landing pad sends its vectors to every OLP, one vector a frame.

    Parameters
    ----------
    config : ChipConfig
    longest : int
        Largest code, ns, up to 255; it sets the frame's length.
    source : int
        Index of the ILP.

    Returns
    -------
    Program
        Inputs are the vectors, (frames, lanes) codes; its outputs are called as the OLPs' domains.
    """
    router = Router(config)
    pads = range(config.domain_count)
    connection = Connection(Place("ilp", source), tuple(router.mesh.olp(pad) for pad in pads))
    masks: dict[tuple[int, Edge], Lanes] = {}
    settings = switches(router.route([connection]), config.lanes, masks)
    units = {Unit(TILE, tile): _words(TILE, Operation("MESH", fields)) for tile, fields in settings.items()}

    frames = min(config.ilp_vectors, config.olp_vectors)
    period = longest + _LATE + _GAP
    send = f"""
          PULSE load_pointer, wait={_LEAD - 1}
    next: PULSE fire, advance=1, wait={period - 2}
          LOOP  next, count={frames}
          HALT
    """
    receive = f"""
          COUNT load_pointer, wait={_LEAD - 1}
    next: COUNT open, wait={longest + _LATE - 1}
          COUNT store, wait={_GAP - 2}
          LOOP  next, count={frames}
          HALT
    """
    units[Unit(ILP, source)] = assemble(send, ILP, config)
    units |= {Unit(OLP, pad): assemble(receive, OLP, config) for pad in pads}
    program = Program(
        config=config,
        frame_cycles=period,
        frames_per_run=frames,
        units=units,
        inputs=(InputSlot(ilp=source, slot=0, stride=1, slice=0, first=0, count=config.lanes, sign=1),),
        outputs=tuple(
            OutputSlot(domain, layer=0, olp=pad, slot=0, stride=1, width=config.lanes)
            for pad, domain in enumerate(config.floorplan.domains)
        ),
        masks=masks,
    )
    check(program)
    return program


def _words(kind: Any, *operations: Operation) -> tuple[int, ...]:
    return tuple(encode(kind, operation) for operation in (*operations, Operation("HALT")))


@dataclass(frozen=True)
class TransportReport:
    """What came of every vector.

    Parameters
    ----------
    engine : str
    source : str
        Domain of the landing pad that sent.
    vectors, lanes, seed : int
        Vectors of each range, samples in each; the seed draws them and the chip.
    model : TransportConfig
        Of the mode `modelled`.
    counts : {longest duration: {mode: {OLP's domain: {error in ns: samples}}}}
    cycles, wall_s : int or None, float
        Simulated, and what it took.
    interrupted : bool
        Ctrl-C ended it: there are fewer ranges than `RANGES_NS`.
    """

    engine: str
    source: str
    vectors: int
    lanes: int
    seed: int
    model: TransportConfig
    counts: Mapping[int, Mapping[str, Mapping[str, Mapping[int, int]]]]
    cycles: int | None
    wall_s: float
    interrupted: bool = False

    @property
    def pads(self) -> list[str]:
        """Domains of the OLPs that listened."""
        return list(next(iter(next(iter(self.counts.values())).values())))

    def max_error_ns(self, longest: int, mode: str) -> dict[str, int]:
        """Largest absolute error of a range, by OLP."""
        return {pad: max(map(abs, counts)) for pad, counts in self.counts[longest][mode].items()}

    def shares(self, longest: int, mode: str) -> dict[int, float]:
        """Share of the samples of a range, all OLPs together, with each absolute error."""
        total: dict[int, int] = {}
        for counts in self.counts[longest][mode].values():
            for error, samples in counts.items():
                total[abs(error)] = total.get(abs(error), 0) + samples
        return {error: total[error] / sum(total.values()) for error in sorted(total)}

    def to_json(self, files: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The documented keys (see docs/transport.md)."""
        return {
            "note": MODELLED,
            "engine": self.engine,
            "source": self.source,
            "vectors": self.vectors,
            "lanes": self.lanes,
            "seed": self.seed,
            "model": asdict(self.model),
            "ranges": {
                f"0-{longest}": {
                    "paper_bound_ns": PAPER_BOUND_NS[longest],
                    **{
                        mode: {
                            "max_error_ns": self.max_error_ns(longest, mode),
                            "exact": self.shares(longest, mode).get(0, 0.0),
                            "errors": {pad: dict(sorted(counts.items())) for pad, counts in by_pad.items()},
                        }
                        for mode, by_pad in modes.items()
                    },
                }
                for longest, modes in self.counts.items()
            },
            "cycles": self.cycles,
            "wall_s": self.wall_s,
            "cycles_per_s": self.cycles / self.wall_s if self.cycles else None,
            "interrupted": self.interrupted,
            "files": dict(files or {}),
        }

    @classmethod
    def from_json(cls, keys: Mapping[str, Any]) -> "TransportReport":
        """Inverse of `to_json`."""
        counts = {
            int(name.removeprefix("0-")): {
                mode: {
                    pad: {int(error): samples for error, samples in errors.items()}
                    for pad, errors in modes[mode]["errors"].items()
                }
                for mode in modes
                if isinstance(modes[mode], Mapping)
            }
            for name, modes in keys["ranges"].items()
        }
        plain = ("engine", "source", "vectors", "lanes", "seed", "cycles", "wall_s", "interrupted")
        return cls(**{name: keys[name] for name in plain}, model=TransportConfig(**keys["model"]), counts=counts)

    def write_json(self, path: Path, files: Mapping[str, str]) -> None:
        write_text(path, to_json(self.to_json(files), indent=2) + "\n")

    def print(self, console: Console) -> None:
        """A line for each range and mode."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("range (ns)")
        table.add_column("wires")
        for heading in (*self.pads, "exact", "paper's bound"):
            table.add_column(heading, justify="right")
        for longest, modes in self.counts.items():
            for mode in modes:
                largest = self.max_error_ns(longest, mode)
                bound = PAPER_BOUND_NS[longest]
                cells = [Text(str(error), style="red" if error > bound else "") for error in largest.values()]
                exact = f"{self.shares(longest, mode).get(0, 0.0):.2%}"
                table.add_row(f"0-{longest}", mode, *cells, exact, str(bound))
        where = f"{counted(self.vectors, 'vector')} x {counted(self.lanes, 'wire')} from ILP {self.source}"
        print_table(console, f"Largest error at each OLP, ns: {where}", table)
        if self.interrupted:
            console.print(f"interrupted: {len(self.counts)} of {len(RANGES_NS)} ranges", style="bold")
        console.print(
            f"\n{MODELLED}; the bounds are Fig. 2d's\n"
            f"simulation ({self.engine})  "
            + describe_speed(self.wall_s, frames=len(self.counts) * 2 * self.vectors, cycles=self.cycles)
        )

    def draw(self) -> "Figure":
        """The distribution of the errors, beside the paper's bounds."""
        from cosim.files.plotting import new_figure

        figure, axes = new_figure(7.2, 4.2)
        last = 1 + max(PAPER_BOUND_NS.values())
        for longest in self.counts:
            shares = self.shares(longest, "modelled")
            steps = np.cumsum([shares.get(error, 0.0) for error in range(last + 1)])
            axes.step(range(last + 1), steps, where="post", label=f"0-{longest} ns")
        for bound, what in ((PAPER_BOUND_NS[50], "0-50 ns"), (PAPER_BOUND_NS[250], "all ranges")):
            axes.axvline(bound, color="black", linestyle="--", linewidth=0.8)
            text = f"largest in the paper,\n{what}"
            axes.annotate(text, (bound, 0.12), (-4, 0), textcoords="offset points", ha="right", fontsize=8)
        axes.set(xlabel="absolute error of a duration (ns)", ylabel="share of samples", xlim=(0, last), ylim=(0, 1.02))
        title = f"ILP {self.source} to {len(self.pads)} OLPs, {self.engine} engine: errors modelled, not measured"
        axes.set_title(title, fontsize=10)
        axes.legend(title="modelled wires", loc="center", bbox_to_anchor=(0.67, 0.5))
        return figure

    def write_picture(self, path: Path) -> None:
        """Write what `draw` draws."""
        from cosim.files.plotting import write_picture

        write_picture(self.draw(), path)


def _errors(sent: NDArray[np.int16], heard: NDArray[np.uint8]) -> dict[int, int]:
    """Error in ns -> samples."""
    errors, samples = np.unique(heard.astype(np.int16) - sent, return_counts=True)
    return dict(zip(errors.tolist(), samples.tolist(), strict=True))


def measure_transport(
    engine: Engine,
    *,
    config: ChipConfig | None = None,
    vectors: int = 2048,
    seed: int = 0,
    model: TransportConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TransportReport:
    """Send `vectors` random vectors of every range over ideal and over modelled wires.

    Parameters
    ----------
    engine : RtlEngine or TwinEngine
        For `config`.
    config : ChipConfig
        The full chip by default.
    vectors : int
    seed : int
        Draws the vectors, uniform in each range, and the chip.
    model : TransportConfig
        The nominal one by default.
    progress : callable (done, all), optional

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C in the first range; later on, the ranges that were finished are the result.
    """
    config = config or preset()
    model = TransportConfig() if model is None else model
    modes = {"ideal": TransportConfig.ideal(), "modelled": model}
    domains = config.floorplan.domains
    source = domains.index(_SOURCE) if _SOURCE in domains else 0
    random = np.random.default_rng(seed)
    total = len(RANGES_NS) * len(modes) * vectors
    runs: list[Results] = []
    counts: dict[int, dict[str, dict[str, dict[int, int]]]] = {}
    interrupted = False
    for index, longest in enumerate(RANGES_NS):
        program = multicast_program(config, longest, source)
        sent = random.integers(0, longest + 1, (vectors, config.lanes), dtype=np.int16)
        found: dict[str, Results] = {}
        try:
            for mode, transport in modes.items():
                found[mode] = engine.run(
                    program,
                    make_chip(program, replace(AnalogConfig.ideal(), transport=transport), seed=seed),
                    sent,
                    first_frame=index * vectors,  # no two ranges share their jitter
                    progress=progress and _from(progress, (len(modes) * index + len(found)) * vectors, total),
                )
        except KeyboardInterrupt:
            if not counts:
                raise
            interrupted = True
            break
        runs += found.values()
        counts[longest] = {
            mode: {pad: _errors(sent, codes) for pad, codes in one.codes.items()} for mode, one in found.items()
        }
    simulated = [one.statistics.get("cycles") for one in runs]
    return TransportReport(
        runs[0].engine,
        domains[source],
        vectors,
        config.lanes,
        seed,
        model,
        counts,
        None if None in simulated else sum(filter(None, simulated)),
        sum(float(one.statistics["wall_s"]) for one in runs),
        interrupted,
    )


def _from(progress: Callable[[int, int], None], done: int, total: int) -> Callable[[int, int], None]:
    """`progress` of the whole, told about one part that begins after `done`."""
    return lambda part, _: progress(done + part, total)
