"""Functional coverage: which of the things that docs/fabric.md names have happened in some experiment.

What happened is counted by the golden model as it runs (`Record.statistics["seen"]`), not by the generator: a bin is
hit by what a program did, not by what it was meant to do. A bin that nothing can hit is not listed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations, product

from rich.table import Table

from analog_models.events import EventKind
from cosim.engines.golden.port import ACCESS
from cosim.engines.golden.wires import SWITCHES
from cosim.files.wording import counted
from cosim.isa.words import ILP, OLP, TILE, mnemonics
from rtl.config import ChipConfig, Edge
from rtl.isa import Pattern, UnitKind

__all__ = ["Coverage", "bins"]


def bins(config: ChipConfig) -> dict[str, tuple[str, ...]]:
    """Every bin by its group: what the experiments on this chip have to make happen at least once."""
    kinds = {TILE: 5, ILP: 1, OLP: 1}
    patterns = [name for name in Pattern.__members__ if name != "NONE"]
    pads = [site.edge for site in config.floorplan.ilp_sites]
    events = sorted(kind.name.lower() for kind in EventKind)
    groups: dict[str, Iterable[tuple[object, ...]]] = {
        # Comparators are the only thing behind OUT-from-col.
        "pass": (
            (switch, pattern, source)
            for switch, pattern, source in product(SWITCHES, patterns, ("ilp", "comparators"))
            if source == "comparators" or not switch.startswith("columns_to")
        ),
        "word": ((kind.name, word) for kind in kinds for word in (*mnemonics(kind), "undefined")),
        "wait": (("none",), ("one",), ("some",), ("longest",)),
        "jump": (("self",), ("back",), ("ahead",)),
        "loop": [
            *((f"count {count}",) for count in range(3)),
            *((f"level {level}",) for level in range(config.loop_levels)),
            *((f"depth {depth + 1}",) for depth in range(config.loop_levels)),
            ("counts on for another",),
        ],
        "end": (("halt",), ("illegal",), ("stop",)),
        "illegal": [
            *(
                (kind.name, f"mode {mode}")
                for kind, banks in kinds.items()
                for mode in (*range(banks, 8), 9, 10, 11, 14)
            ),
            *((kind.name, what) for kind in kinds for what in ("end", "LOOP level", "LOOP beyond", "JUMP beyond")),
            ("OLP", "store without a window"),
        ],
        "ilp": [
            *((f"code {code}",) for code in (0, 1, 127, 128, 255)),
            *((f"pointer {how}",) for how in ("loaded", "goes on", "goes back", "wraps")),
            ("fire during a pulse",),
        ],
        "olp": [
            *((f"code {code}",) for code in (0, "1 to 254", 255, "saturated")),
            *((f"pointer {how}",) for how in ("loaded", "goes on", "wraps")),
            *((what,) for what in ("open", "open again", "store", "store and open", "seven bits", "eight bits")),
            *((what,) for what in ("second pulse", "high when the window opens", "counts again what fell before")),
        ],
        "contention": [
            *((place, "switches of one tile") for place in ("net", "rows", "columns", "north", "south")),
            *((edge, "two tiles") for edge in Edge),
            *((edge, "tile and ILP") for edge in sorted(set(pads))),
        ],
        "mesh": (("closed loop",),),
        "integration": [
            *((f"wp1 {wp1}, wp2 {wp2}",) for wp1, wp2 in product(range(2), repeat=2)),
            *((counted(count, "capacitor"),) for count in range(9)),
            *((what,) for what in ("charge", "discharge", "share_north", "share_south", "bias pulses")),
        ],
        "row time": (("0",), ("1 to 511",), ("beyond",)),
        "ramp": [
            *((f"answered {what}",) for what in ("0", "1 to 510", "511")),
            *((what,) for what in ("is cut short", "window opens", "window closes", "window stays")),
        ],
        "write": ((f"device {device}, {how}",) for device, how in product(range(4), ("SET", "RESET"))),
        "column time": (("0",), ("1 to 511",), ("beyond",)),
        "same cycle": [
            *((f"{one} and {other}",) for one, other in combinations(events, 2)),
            *((f"{kind} at several tiles",) for kind in events),
        ],
        "fault": (
            ("integration overlaps a precharge",),
            ("change during an integration",),
            ("share_north alone",),
            ("share_south alone",),
        ),
        "host": (
            (how, UnitKind(kind).name, f"region {region}")
            for (kind, region), allowed in ACCESS.items()
            for how in ("read", "write")
            if how[0] in allowed
        ),
        "host error": (
            (what,)
            for what in (
                "unknown opcode",
                "length 0",
                "early tlast",
                "late tlast",
                "unmapped address",
                "access not allowed",
            )
        ),
    }
    return {group: tuple(" / ".join(map(str, (group, *name))) for name in names) for group, names in groups.items()}


class Coverage:
    """Hits of every bin.

    Parameters
    ----------
    groups : mapping of str to bins
        From `bins`, for instance.

    Members
    -------
    hits : Counter
        Of bins only; what has no bin is not kept.
    """

    def __init__(self, groups: Mapping[str, tuple[str, ...]]) -> None:
        self.groups = dict(groups)
        self._known = {name for names in self.groups.values() for name in names}
        self.hits: Counter[str] = Counter()

    def add(self, seen: Mapping[str, int]) -> None:
        """Count what was seen in one experiment."""
        self.hits.update({name: count for name, count in seen.items() if name in self._known})

    @property
    def holes(self) -> list[str]:
        """Bins without a hit, in order."""
        return [name for names in self.groups.values() for name in names if not self.hits[name]]

    @property
    def share(self) -> float:
        """Bins that were hit, as a share of all."""
        return 1 - len(self.holes) / len(self._known)

    def table(self, detail: bool = False) -> Table:
        """Bins and hits of each group; with `detail`, of each bin."""
        table = Table("group", "bins", "hit", "fewest hits")
        for group, names in self.groups.items():
            counts = [self.hits[name] for name in names]
            rarest = names[counts.index(min(counts))].removeprefix(f"{group} / ")
            table.add_row(group, str(len(names)), str(sum(map(bool, counts))), f"{min(counts)}: {rarest}")
            if detail:
                for name, count in zip(names, counts, strict=True):
                    table.add_row("", name.removeprefix(f"{group} / "), str(count), "" if count else "hole")
        return table
