"""All directed experiments, and the page about them.

``python -m tests.directed.catalogue`` writes docs/directed.md and its pictures; with a FOLDER behind it, every
experiment as a file for `duramesh run`.
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from cosim.isa.assembler import disassemble
from cosim.view.pictures import routes_svg
from rtl.isa import UnitKind
from tests.directed import mesh, power, programming, tiles
from tests.directed.script import Case

PAGE = Path("docs/directed.md")
PICTURES = Path("docs/images/directed")
#: Words of the programs that the page shows.
_LONGEST = 75

#: In the order of one session on the chip.
BUILDERS: tuple[Callable[[], Case], ...] = (
    partial(mesh.pass_and_block, at_entry=True),
    partial(mesh.pass_and_block, at_entry=False),
    mesh.multicast,
    mesh.into_rows_and_out_of_columns,
    mesh.into_columns,
    mesh.pass_over,
    mesh.concatenation,
    tiles.tile_to_tile,
    tiles.vertical_pair,
    tiles.two_pcm,
    tiles.four_pcm,
    *(partial(tiles.asymmetry_balance, asymmetry) for asymmetry in tiles.ASYMMETRIES),
    tiles.activations,
    tiles.bias_rows,
    tiles.capacitor_select,
    programming.programming_round,
    partial(power.power_test, frames=34),
)

_HEAD = """# Directed experiments

Every transaction that the papers describe, written as programs of local controllers and landing pads and run at full
size: 34 tiles, 512 wires. Each has an expectation computed by hand, in integers, without any engine; RTL, golden model
and twin all have to meet it, code for code (`tests/directed/test_chip.py`). The experiments are built in
`tests/directed/`, most of them in twenty lines; this page and its pictures come from them (`make docs`).

`python -m tests.directed.catalogue FOLDER` writes each as a file that `duramesh run` takes, on any engine, with
timeline and waveform:

```sh
duramesh run FOLDER/pass-over.npz --engine golden --timeline -
```

In the formulas below, x and W are inputs in ns and weights in [-1, 1], and every quotient is rounded half up, once.

How to read a picture: a colour is the vector of one source. Dashed lines carry some of the 512 lanes, the pattern of
the switch that chose them stands beside it. A bar across a line's end is a shut borderguard, grey lines are switches
that are on while nothing passes them. In a tile, the bar on the left are its rows, the bar at the bottom its columns;
two plates between tiles are shared capacitors. `cosim.view.pictures.draw_routes` draws the same of any experiment.
"""

_TAIL = """
## Beyond one picture

- **Asymmetry balance with asymmetric circuits.** The same program with a mismatch of the G+ and G- read paths (gains
  of 1 ± e/2): gone on the capacitors, within rounding of float64, and within one code behind the ramp, while the same
  MAC from WP1 alone is tens of codes off. With a gain difference between charging and discharging, or a fixed charge
  per phase, the balanced result is as far off as the plain one: these are left to the calibration.
- **Power test.** `make test` runs 34 frames, so that both pointers wrap; `make long` 1,000.
- **Programming in a closed loop.** `tests/directed/test_programming.py` repeats the round above with noisy
  devices, live: the host reads 512 weights through ramp and landing pad, computes the next pulses, loads them and
  starts again.
"""


def cases() -> list[Case]:
    """Every case, with its builder's docstring as `about`."""
    return [replace(builder(), about=_about(builder)) for builder in BUILDERS]


def _about(builder: Callable[[], Case]) -> str:
    return inspect.getdoc(getattr(builder, "func", builder)) or ""


def pictures(every: list[Case]) -> dict[Path, str]:
    """The text of every picture, by its path."""
    return {PICTURES / f"{case.slug}.svg": routes_svg(case.experiment, case.steps) for case in every if case.steps}


def page(every: list[Case]) -> str:
    """The page, as Markdown."""
    parts = [_HEAD]
    for case in every:
        if case.steps:
            picture = (PICTURES / f"{case.slug}.svg").relative_to(PAGE.parent)
            title = case.name[0].upper() + case.name[1:]
            image = f"![Routes: {case.name}]({picture.as_posix()})"
            parts.append(f"## {title}\n\n{case.about}\n\n{image}\n{_programs(case)}")
    return "\n".join(parts) + _TAIL


def _programs(case: Case) -> str:
    """The listings, folded away; none if they are long. Units with the same program have it once."""
    units: dict[tuple[UnitKind, tuple[int, ...]], list[int]] = {}
    for unit, words in case.experiment.units.items():
        units.setdefault((unit.kind, words), []).append(unit.index)
    if sum(len(words) for _, words in units) > _LONGEST:
        return ""
    listings = []
    for (kind, words), indices in sorted(units.items(), key=lambda item: (item[0][0].value, item[1])):
        listings.append(f"== {kind.name} {', '.join(map(str, indices))} ==\n{disassemble(words, kind)}")
    listing = "\n".join(listings)
    return f"\n<details><summary>Programs</summary>\n\n```text\n{listing}```\n\n</details>\n"


def write_page(root: Path = Path()) -> None:
    """The page and its pictures, in the repository at `root`."""
    every = cases()
    (root / PICTURES).mkdir(parents=True, exist_ok=True)
    for path, text in pictures(every).items():
        (root / path).write_text(text, encoding="utf-8")
    (root / PAGE).write_text(page(every), encoding="utf-8")


def save_experiments(folder: Path) -> None:
    """Every experiment as FOLDER/NAME.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases():
        case.experiment.save(folder / f"{case.slug}.npz")
        print(folder / f"{case.slug}.npz")


if __name__ == "__main__":
    if sys.argv[1:]:
        save_experiments(Path(sys.argv[1]))
    else:
        write_page()
