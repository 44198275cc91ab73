"""The paper's ALBERT-base on one chip: time, energy and operations of a sequence of tokens.

What runs when follows from the length alone. Source of what the system is: Nat. Commun. 16, 8661 (2025), figures 2 and
5 and Methods: one sequence at a time, layer-block after layer-block, not pipelined, digital units beside the pads.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import Call, Layout
from cosim.graph.operators.activations import TanhGelu
from cosim.graph.operators.arithmetic import Sum
from cosim.graph.operators.attention import Attention
from cosim.graph.operators.normalisation import LayerNorm
from cosim.performance.activity import Activity
from cosim.performance.constants import EnergyConstants
from cosim.performance.energy import Energy
from cosim.performance.frames import CallActivities
from cosim.performance.host import HostTiming, host_nj, operations_of, recombined, zeros
from cosim.performance.numbers import StandIn
from cosim.performance.timing import Jobs, Timing
from cosim.system.reuse import reused
from cosim.workloads.albert.blocks import BLOCKS
from cosim.workloads.albert.mapping import layer_layout
from rtl.config import ChipConfig, preset

__all__ = ["LENGTHS", "AlbertRun", "AlbertSystem", "placed_layer"]

WIDTH, INNER, HEADS, LAYERS = 768, 3072, 12, 12
#: Of a layer, the matrices alone.
WEIGHTS = 4 * WIDTH * WIDTH + 2 * WIDTH * INNER
#: Tokens of a sequence, as in the paper's figure 5 and its synthetic extension.
LENGTHS = (10, 32, 64, 128, 150, 300, 500, 1000)


def placed_layer(config: ChipConfig | None = None) -> Layout:
    """The shared layer on one chip as the paper maps it, now or by an earlier run.

    Raises
    ------
    MappingError
        If it does not fit, or the solver is missing: the extra `compile`.
    """
    config = config or preset()
    return reused(
        "layouts",
        [f"ALBERT's layer, {config!r}"],
        lambda: layer_layout(config=config),
        save=lambda made, folder: made.save(folder / "layout.npz"),
        load=lambda folder: Layout.load(folder / "layout.npz"),
    )


@dataclass(frozen=True)
class AlbertSystem:
    """The chip, and the host's units beside its pads.

    Parameters
    ----------
    layout : Layout
        Whose waves are the four layer-blocks, in their order.
    numbers : StandIn
        Codes and weights of the layer.
    pipelined : bool
        Layer-blocks work on tokens behind one another, each with pads and digital units of its own (the paper's
        outlook); otherwise a layer-block begins when all tokens have been through the one before it.
    host : HostTiming
        Of units that count their work; the paper simulates them, and does not print their times.
    analog : AnalogConfig
    """

    layout: Layout
    numbers: StandIn
    pipelined: bool = False
    host: HostTiming = field(default_factory=lambda: HostTiming(counted=True))
    analog: AnalogConfig = field(default_factory=AnalogConfig)

    @cached_property
    def blocks(self) -> tuple[tuple[Call, ...], ...]:
        """Calls of every layer-block."""
        return tuple(self.layout.calls.values())

    def block_ns(self) -> tuple[int, ...]:
        """Time of a token in every layer-block."""
        return tuple(sum(map(self._call_ns, calls)) for calls in self.blocks)

    def _call_ns(self, call: Call) -> int:
        frame = self.layout.frames[call.chip][call.entry]
        return max(frame.ns, round(self.host.port(frame.beats(self.layout.config))))

    @cached_property
    def activities(self) -> tuple[Activity, ...]:
        """Of a token in every layer-block."""
        found = CallActivities(self.layout, self.analog)
        return tuple(Activity.sum((found.of(call, self.numbers), 1.0) for call in calls) for calls in self.blocks)

    def token_energy(self, constants: EnergyConstants) -> tuple[Energy, ...]:
        """Of a token in every layer-block."""
        pins = bool(self.host.port_gbps)
        return tuple(Energy.of(activity, constants, pins=pins) for activity in self.activities)

    def host_operations(self, tokens: int) -> tuple[Counter[str], ...]:
        """Of the host in one layer, behind every layer-block, by kind."""
        wide, inner = (tokens, WIDTH), (tokens, INNER)
        scale, shift = zeros((WIDTH,), (WIDTH,))
        norm = LayerNorm(scale, shift, 1e-12)
        behind: tuple[dict[str, int], ...] = (
            {"attention": operations_of(Attention(HEADS), wide, wide, wide)},
            {"residual sums": operations_of(Sum(), wide, wide), "LayerNorm": operations_of(norm, wide)},
            {"gelu": operations_of(TanhGelu(), inner)},
            {"residual sums": operations_of(Sum(), wide, wide), "LayerNorm": operations_of(norm, wide)},
        )
        found = []
        for calls, kinds in zip(self.blocks, behind, strict=True):
            around = Counter({kind: tokens * number for kind, number in recombined(self.layout, calls).items()})
            found.append(around + Counter(kinds))
        return tuple(found)

    def jobs(self, tokens: int, layers: int = LAYERS) -> Jobs:
        """A sequence through some layers."""
        jobs, done = Jobs(), list[tuple[int, ...]]([()] * tokens)
        behind = self.host_operations(tokens)
        names = list(BLOCKS)
        for _ in range(layers):
            for at, (name, ns, operations) in enumerate(zip(names, self.block_ns(), behind, strict=True)):
                chip = f"{name} on the chip" if self.pipelined else "chip"
                frames = [jobs.add(name, chip, ns, after) for after in done]
                share = self.host.layer(operations.total() / tokens)
                unit = f"{name}, host" if self.pipelined else "host"
                if at == 0:  # attention needs all tokens; what is behind the other layer-blocks, each token alone
                    frames = [jobs.add("all tokens", "order", 0, frames)] * tokens
                done = [(jobs.add(f"behind {name}", unit, share, (one,)),) for one in frames]
                if not self.pipelined:
                    done = [(jobs.add("all tokens", "order", 0, [job for after in done for job in after]),)] * tokens
        return jobs

    def run(self, tokens: int, constants: EnergyConstants) -> "AlbertRun":
        """One sequence: two layers are simulated, all others are like the second."""
        one, two = (self.jobs(tokens, layers).timing() for layers in (1, 2))
        ns = one.total_ns + (LAYERS - 1) * (two.total_ns - one.total_ns)
        return AlbertRun(self, tokens, ns, two, constants)


@dataclass(frozen=True, eq=False)
class AlbertRun:
    """What a sequence takes.

    Parameters
    ----------
    system : AlbertSystem
    tokens : int
    ns : float
        Of all layers.
    timing : Timing
        Of the first two.
    constants : EnergyConstants
    """

    system: AlbertSystem
    tokens: int
    ns: float
    timing: Timing
    constants: EnergyConstants

    @property
    def operations(self) -> int:
        """On the chip."""
        return LAYERS * self.tokens * 2 * WEIGHTS

    @cached_property
    def host(self) -> Counter[str]:
        """The host's operations by kind."""
        total = Counter[str]()
        for one in self.system.host_operations(self.tokens):
            total.update({kind: LAYERS * number for kind, number in one.items()})
        return total

    @property
    def share(self) -> float:
        """Of operations that are the chip's."""
        return self.operations / self.all_operations

    @cached_property
    def chip_j(self) -> float:
        """Of frames; where they are pipelined, clock and leakage run once for all that work at the same time."""
        energies = self.system.token_energy(self.constants)
        frames = LAYERS * self.tokens * sum(energy.total_nj for energy in energies)
        if self.system.pipelined:
            at_work = LAYERS * self.tokens * sum(self.system.block_ns())
            frames -= self.constants.fitted.chip_w * max(at_work - self.ns, 0.0)
        return 1e-9 * frames

    @property
    def waiting_j(self) -> float:
        """Clock and leakage while the chip waits for digital units."""
        at_work = LAYERS * self.tokens * sum(self.system.block_ns())
        return 1e-9 * self.constants.fitted.chip_w * max(self.ns - at_work, 0.0)

    @property
    def host_j(self) -> float:
        return 1e-9 * host_nj(self.host, self.constants)

    @property
    def all_operations(self) -> int:
        """The chip's and the host's."""
        return self.operations + self.host.total()

    @property
    def joules(self) -> float:
        """Of frames and of the host."""
        return self.chip_j + self.host_j

    @property
    def tops_w(self) -> float:
        """All operations over the energy of frames and of the host."""
        return self.all_operations * 1e-12 / self.joules

    @property
    def analog_share(self) -> float:
        """Of energy that is the chip's."""
        return self.chip_j / self.joules

    @property
    def per_second(self) -> float:
        """Sequences, one after the other."""
        return 1e9 / self.ns
