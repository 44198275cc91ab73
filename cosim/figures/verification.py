"""Study: the RTL against the golden model on random experiments."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cosim.engines.rtl.build import build
from cosim.engines.rtl.engine import RtlEngine
from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.study import Figure, Study
from cosim.files.plotting import new_figure
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


def measure(campaign: Campaign) -> Measurement:
    """What `make verify` does, and how the coverage grows with the experiments."""
    total = _QUICK_EXPERIMENTS if campaign.quick else _EXPERIMENTS
    packets = _QUICK_PACKETS if campaign.quick else _PACKETS
    named = bins(campaign.config)
    size = sum(len(names) for names in named.values())
    campaign.say(f"comparing {total} random experiments on RTL and golden model")
    parts = []
    for first in range(0, total, _PART):
        count = min(_PART, total - first)

        def compared(first: int = first, count: int = count) -> dict[str, np.ndarray]:
            return _compared(campaign, first, count, packets if first == 0 else 0)

        campaign.advance(first, total)
        parts.append(campaign.part(f"experiments {first} to {first + count - 1}", compared))
    campaign.advance(total, total)
    first_hits = np.concatenate([part["hit by"] for part in parts])
    hits, when = set(), []
    for name, number in zip(
        np.concatenate([part["bins"] for part in parts]).tolist(), first_hits.tolist(), strict=True
    ):
        if name not in hits:
            hits.add(name)
            when.append(number)
    mismatches = sum(int(part["mismatches"]) for part in parts)
    finding = partial(
        Finding,
        engine="rtl and golden",
        data=f"{total} random experiments, {packets:,} packets",
        seeds=f"seed {campaign.seed}",
        headline=True,
    )
    return Measurement(
        {
            "experiments": total,
            "packets": packets,
            "mismatches": mismatches,
            "bins": size,
            "bins_hit": len(hits),
            "cycles": sum(int(part["cycles"]) for part in parts),
            "first_hits": sorted(when),
        },
        findings=(
            finding("experiments in which RTL and golden model differ", mismatches, "1", digits=0),
            finding("bins of the functional coverage that were hit", 100 * len(hits) / size, "%", digits=1),
        ),
    )


def _compared(campaign: Campaign, first: int, count: int, packets: int) -> dict[str, np.ndarray]:
    config = campaign.config
    state = Verification(campaign.seed, first, Coverage(bins(config)))
    seen: dict[str, int] = {}

    def note(state: Verification) -> None:
        campaign.advance(first + state.done, _QUICK_EXPERIMENTS if campaign.quick else _EXPERIMENTS)
        for name, hits in state.coverage.hits.items():
            if hits:
                seen.setdefault(name, first + state.done)

    if packets:
        verify_packets(config, build(config), state, packets=packets)
        note(state)
    verify(config, RtlEngine(config), experiments=count, weights=_WEIGHTS, state=state, each=note)
    if state.interrupted:
        raise KeyboardInterrupt
    return {
        "bins": np.array(list(seen), np.str_),
        "hit by": np.array(list(seen.values()), np.int64),
        "mismatches": np.array(len(state.mismatches) + len(state.port_mismatches)),
        "cycles": np.array(state.cycles),
    }


def draw_coverage(measurement: Measurement) -> "Picture":
    """Bins that have been hit, by experiments done."""
    numbers = measurement.numbers
    when = np.sort(np.asarray(numbers["first_hits"]))
    figure, axes = new_figure(7.2, 3.8)
    axes.step(np.append(when, numbers["experiments"]), np.append(np.arange(1, len(when) + 1), len(when)), where="post")
    axes.axhline(numbers["bins"], color="black", linestyle="--", linewidth=0.8)
    axes.annotate(
        f"all {numbers['bins']} bins that the specification names",
        (0, numbers["bins"]),
        (4, -12),
        textcoords="offset points",
        fontsize=8,
    )
    axes.set(xlabel="random experiments, full chip", ylabel="bins hit", xlim=(0, numbers["experiments"]))
    axes.set_ylim(0, 1.05 * numbers["bins"])
    axes.set_title(f"{numbers['mismatches']} mismatches of RTL and golden model", fontsize=10)
    return figure


STUDY = Study(
    name="verification",
    title="RTL against the golden model",
    about="""Random programs, legal and illegal, run on the RTL of the full chip and on a model of the fabric that was
    written from the specification; every code, flag, analog event and cycle must be equal. Packets on the host
    port are compared in the same way. The coverage counts which of the situations that the specification names
    have happened.""",
    measure=measure,
    figures=(
        Figure(
            "coverage", "Bins of the functional coverage that have been hit, against experiments done.", draw_coverage
        ),
    ),
)
