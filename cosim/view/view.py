"""What the page shows: steps of a frame or of a run, what each unit does in them, which words are in force."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from cosim.experiment import Experiment
from cosim.experiment.derivation import Problem, problems
from cosim.experiment.file import load_experiment
from cosim.experiment.routes import Activity, Routes, Snapshot, Step
from cosim.fabric.mesh_graph import Place
from cosim.files.archive import ArchiveError, archive_format
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Program, ProgramError, Unit
from cosim.program.listing import describe
from cosim.view.tile_use import TileUse

__all__ = ["InForce", "Move", "View", "load_view", "shipped_view"]


@dataclass(frozen=True)
class InForce:
    """The word at `address` of a unit is in force in cycles `start` to `stop` - 1."""

    address: int
    start: int
    stop: int

    def overlaps(self, step: Step) -> bool:
        return self.start < step.stop and step.start < self.stop


@dataclass(frozen=True)
class Move:
    """One vector on its way: from `source` to `targets`, over the tiles `over`."""

    source: Place
    targets: tuple[Place, ...]
    over: tuple[int, ...]


@dataclass(frozen=True)
class View:
    """A program, or an experiment, as the page shows it.

    Parameters
    ----------
    experiment : Experiment
    program : Program, optional
        Where the experiment comes from. Then one frame is shown: the first, or, if frames overlap, the second.

    Members
    -------
    span : range
        The cycles shown.
    steps : tuple of Step
    uses : dict of tile index to TileUse
        Of the tiles that are programmed.
    problems : list of Problem
        What is illegal in the experiment.
    """

    experiment: Experiment
    program: Program | None = None

    @classmethod
    def of_program(cls, program: Program, name: str) -> "View":
        return cls(Experiment.of_program(program, name=name), program)

    @cached_property
    def routes(self) -> Routes:
        return Routes(self.experiment)

    @cached_property
    def span(self) -> range:
        if self.program is not None:
            period = self.program.frame_cycles
            first = period if self.program.overlaps and self.program.frames_per_run > 1 else 0
            return range(first, first + period)
        # What is high at the end has no end of its own.
        ends = [act.stop if act.stop <= self.experiment.cycles else act.start + 1 for act in self.routes.activities]
        return range(max(ends, default=1))

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        if self.program is not None:
            return tuple(self.routes.steps(self.span))
        steps = self.routes.steps()
        return (*steps[:-1], replace(steps[-1], stop=self.span.stop))

    @cached_property
    def uses(self) -> dict[int, TileUse]:
        layers = self.program.layers if self.program else ()
        names = {tile: layer.name for layer in layers for tile in layer.tiles}
        config, weights = self.experiment.config, sorted(self.experiment.weights.items())
        return {tile: TileUse.of(target, config, names.get(tile, "")) for tile, target in weights}

    @cached_property
    def problems(self) -> list[Problem]:
        return [] if self.program else problems(self.experiment)

    def step_of(self, cycle: int) -> int:
        """Number of the step, from 1, that a cycle is part of, or is next to."""
        return 1 + sum(step.start <= cycle for step in self.steps[1:])

    @property
    def units(self) -> Iterator[Unit]:
        """Every unit of the chip: tiles, input landing pads, output landing pads."""
        config = self.experiment.config
        for kind, count in ((TILE, config.tile_count), (ILP, config.domain_count), (OLP, config.domain_count)):
            yield from (Unit(kind, index) for index in range(count))

    @cached_property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The chip in the shown cycle of each step; at work is what is at work in any cycle of the step."""
        return tuple(
            replace(self.routes.at(step.shown), activities=self.routes.during(step.start, step.stop))
            for step in self.steps
        )

    def doing(self, unit: Unit, step: Step) -> list[Activity]:
        """What a unit does in a step, in the order of time."""
        found = (act for act in self.routes.during(step.start, step.stop) if act.unit == unit)
        return sorted(found, key=lambda act: (act.start, act.stop))

    def moves(self, snapshot: Snapshot) -> Iterator[Move]:
        """Every vector of a snapshot."""
        mesh = snapshot.state.mesh
        pads = {mesh.olp(index) for index in range(mesh.config.domain_count)}
        for source in snapshot.sources:
            flows = [flow for flow in snapshot.flows if flow.source == source]
            targets = tuple(f.place for f in flows if f.place.kind in ("rows", "columns") or f.place in pads)
            passed = {f.place.tile for f in flows if f.place.kind == "net"}
            ends = {target.tile for target in targets if target.kind != "toward"}
            begin = {source.tile} if source.kind == "outputs" else set()
            yield Move(source, targets, tuple(sorted(passed - ends - begin)))

    def in_force(self, unit: Unit) -> list[InForce]:
        """Which of a unit's words are in force when, within `span`: each from two cycles after it issues until the next
        one of its bank."""
        found = []
        timeline = self.routes.timelines.get(unit)
        last: dict[str, InForce] = {}
        for issue in timeline.issues if timeline else ():
            if before := last.get(issue.bank):
                found.append(replace(before, stop=issue.in_force))
            last[issue.bank] = InForce(issue.address, issue.in_force, self.span.stop)
        whole = Step(self.span.start, self.span.stop, self.span.start)
        return [each for each in (*found, *last.values()) if each.overlaps(whole)]

    def describe(self, unit: Unit) -> str:
        """Where a unit is, and what it is there for."""
        if self.program is not None:
            return describe(self.program, unit)
        plan = self.experiment.config.floorplan
        return f"square {plan.tiles[unit.index]}" if unit.kind is TILE else f"domain {plan.domains[unit.index]}"


def shipped_view() -> View:
    """The keyword-spotting network that comes with the package, compiled for the full chip."""
    from cosim.compiler import compile_network
    from cosim.workloads.kws.model import KwsModel
    from rtl.config import preset

    return View.of_program(compile_network(KwsModel.load().network, preset()), "kws")


#: Loaders by the format that a file says it has.
_FORMATS: Mapping[str, type[Program] | type[Experiment]] = {
    "duramesh program": Program,
    "duramesh experiment": Experiment,
}


def load_view(path: Path) -> View:
    """A view of a saved program, or of an experiment (.toml, or saved as .npz).

    Raises
    ------
    ProgramError, ExperimentError, TomlError, AssemblyError
        If the file is something else, or damaged.
    """
    if path.suffix == ".toml":
        return View(load_experiment(path).experiment)
    try:
        kind = archive_format(path)
    except ArchiveError:
        kind = ""
    if kind not in _FORMATS:
        what = f"is a {kind}" if kind else "is no program and no experiment, or only part of one"
        raise ProgramError(
            f"{path} {what}; expected a program (an .npz that Program.save wrote) or an experiment (.toml, or an .npz "
            "from `duramesh run --save`)"
        )
    loaded = _FORMATS[kind].load(path)
    return View.of_program(loaded, path.stem) if isinstance(loaded, Program) else View(loaded)
