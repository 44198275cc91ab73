"""Study: the RTL against the golden model on random experiments."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.engines.rtl.build import build
from cosim.engines.rtl.engine import RtlEngine
from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.study import Figure, Study
from cosim.files.plotting import BLUE, ORANGE, new_figure
from cosim.files.wording import counted
from cosim.verification.coverage import Coverage, bins
from cosim.verification.runner import Verification, verify, verify_packets

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["STUDY"]

_EXPERIMENTS, _QUICK_EXPERIMENTS = 500, 20
_PACKETS, _QUICK_PACKETS = 1000, 250
#: Experiments of one part of the measurement.
_PART = 100
_WEIGHTS = 0.05  # share of the experiments that have weights programmed, as `duramesh verify` has it


class _Growth(Coverage):
    """Coverage that keeps by which experiment each bin was hit first.

    Parameters
    ----------
    groups : mapping of str to bins
    done : int
        Experiments before the first one that is added.

    Members
    -------
    hit_by : dict of str to int
        How many experiments it took; 0 where none was needed.
    """

    def __init__(self, groups: Mapping[str, tuple[str, ...]], done: int) -> None:
        super().__init__(groups)
        self._done = done
        self.hit_by: dict[str, int] = {}

    def add(self, seen: Mapping[str, int]) -> None:
        super().add(seen)
        self._done += 1
        for name, hits in self.hits.items():
            if hits:
                self.hit_by.setdefault(name, self._done)


def measure(campaign: Campaign) -> Measurement:
    """What `make verify` does, and how the coverage grows with the experiments."""
    total = _QUICK_EXPERIMENTS if campaign.quick else _EXPERIMENTS
    packets = _QUICK_PACKETS if campaign.quick else _PACKETS
    named = bins(campaign.config)
    size = sum(len(names) for names in named.values())
    campaign.say(f"comparing {counted(total, 'random experiment')} on RTL and golden model")
    made = campaign.parts(
        {_key(first, total): partial(_compared, campaign, first, packets if first == 0 else 0, total)}
        for first in range(0, total, _PART)
    )
    parts = [made[_key(first, total)] for first in range(0, total, _PART)]
    first_hits = np.concatenate([part["hit by"] for part in parts])
    hits, when = set(), []
    for name, number in zip(
        np.concatenate([part["bins"] for part in parts]).tolist(), first_hits.tolist(), strict=True
    ):
        if name not in hits:
            hits.add(name)
            when.append(number)
    mismatches, port_mismatches = (sum(int(part[name]) for part in parts) for name in ("mismatches", "port mismatches"))
    finding = partial(
        Finding,
        engine="rtl and golden",
        data=f"{counted(total, 'random experiment')}, {counted(packets, 'packet')}",
        seeds=f"seed {campaign.seed}",
    )
    return Measurement(
        {
            "experiments": total,
            "packets": packets,
            "mismatches": mismatches,
            "port_mismatches": port_mismatches,
            "tiles": campaign.config.tile_count,
            "bins": size,
            "bins_hit": len(hits),
            "cycles": sum(int(part["cycles"]) for part in parts),
            "first_hits": sorted(when),
        },
        findings=(
            finding("experiments in which RTL and golden model differ", mismatches, "1", digits=0, headline=True),
            finding(
                "sequences of packets in which RTL and golden model differ",
                port_mismatches,
                "1",
                digits=0,
                headline=port_mismatches > 0,
            ),
            finding(
                "bins of the functional coverage that were hit", 100 * len(hits) / size, "%", digits=1, headline=True
            ),
        ),
    )


def _count(first: int, total: int) -> int:
    """Experiments of the part that begins with this one."""
    return min(_PART, total - first)


def _key(first: int, total: int) -> str:
    return f"experiments {first} to {first + _count(first, total) - 1}"


def _compared(campaign: Campaign, first: int, packets: int, total: int) -> dict[str, np.ndarray]:
    config, count = campaign.config, _count(first, total)
    groups = bins(config)
    port = Verification(campaign.seed, first, Coverage(groups))
    if packets:
        verify_packets(config, build(config), port, packets=packets)
    growth = _Growth(groups, first)
    state = Verification(campaign.seed, first, growth)

    def note(state: Verification) -> None:
        campaign.advance(first + state.done, total)

    verify(config, RtlEngine(config), experiments=count, weights=_WEIGHTS, state=state, each=note)
    if state.interrupted:
        raise KeyboardInterrupt
    hit_by = growth.hit_by | {name: 0 for name, hits in port.coverage.hits.items() if hits}
    return {
        "bins": np.array(list(hit_by), np.str_),
        "hit by": np.array(list(hit_by.values()), np.int64),
        "mismatches": np.array(len(state.mismatches)),
        "port mismatches": np.array(len(port.port_mismatches)),
        "cycles": np.array(state.cycles),
    }


def draw_coverage(measurement: Measurement) -> "Picture":
    """Bins that have been hit, by experiments done."""
    numbers = measurement.numbers
    done = np.arange(numbers["experiments"] + 1)
    hit = np.searchsorted(np.sort(numbers["first_hits"]), done, side="right")
    figure, axes = new_figure(7.2, 3.8)
    axes.step(done, hit, where="post", color=BLUE)
    axes.plot(0, hit[0], "o", color=ORANGE, markersize=5, label=f"packets on the host port alone: {hit[0]}")
    axes.axhline(
        numbers["bins"],
        color="black",
        linestyle="--",
        linewidth=0.8,
        label=f"all {numbers['bins']} bins that the specification names",
    )
    axes.set_xscale("symlog", linthresh=1)  # most bins are hit by the first few experiments
    ticks = [0, *(10**power for power in range(6) if 10**power < numbers["experiments"]), numbers["experiments"]]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    chip = counted(numbers["tiles"], "tile")
    axes.set(xlabel=f"random experiments on a chip of {chip}, on a logarithmic scale", ylabel="bins hit")
    axes.set_xlim(-0.15, numbers["experiments"])
    axes.set_ylim(0, 1.05 * numbers["bins"])
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    axes.set_title(_difference(numbers), fontsize=10)
    return figure


def _difference(numbers: Mapping[str, Any]) -> str:
    """In how much RTL and golden model differed."""
    return (
        f"{numbers['mismatches']} of {counted(numbers['experiments'], 'experiment')} and "
        f"{counted(numbers['port_mismatches'], 'sequence')} of {counted(numbers['packets'], 'packet')} differ"
    )


def _about(measurement: Measurement) -> str:
    """What was done, of this run."""
    numbers = measurement.numbers
    return (
        f"{counted(numbers['experiments'], 'random experiment')}, programs legal and illegal, ran on the RTL of a chip "
        f"of {counted(numbers['tiles'], 'tile')} and on a model of the fabric that was written from the specification; "
        "every code, flag, analog event and cycle must be equal. Packets on the host port are compared in the same "
        f"way. In this run {_difference(numbers)}. The coverage counts which of the situations that the specification "
        "names have happened."
    )


def _caption(measurement: Measurement) -> str:
    numbers = measurement.numbers
    return (
        f"Bins of the functional coverage that have been hit, {numbers['bins_hit']} of {numbers['bins']}, against "
        "experiments done."
    )


STUDY = Study(
    name="verification",
    title="RTL against the golden model",
    about=_about,
    measure=measure,
    figures=(Figure("coverage", _caption, draw_coverage),),
)
