"""Experiments as TOML files: the format of docs/experiments.md, with the place of every mistake."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.config import DEVICE_MODELS, AnalogConfig
from analog_models.constants import checked
from analog_models.programming import WeightTargets
from analog_models.values import real_numbers, shown
from cosim.experiment.experiment import Experiment, ExperimentError
from cosim.experiment.limits import limited
from cosim.experiment.report import Asked
from cosim.experiment.toml_source import Key, TomlSource
from cosim.experiment.toml_values import TomlValues, dotted, is_array_file
from cosim.experiment.transcript import sent_vectors, stored_results
from cosim.files.wording import counted
from cosim.isa.assembler import AssemblyError, assemble
from cosim.isa.numbers import NumberError, parse_number
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from rtl.config import PRESETS, ChipConfig, Edge, preset

__all__ = ["ENGINES", "ExperimentFile", "change_constants", "load_experiment"]

ENGINES = ("rtl", "golden", "twin")

#: What the constants of the analog part begin with, before some are changed.
_BASE = ("preset", "devices")
_SETTING = re.compile(r"[\w. ]+=.+")  # one line, and no heading of a table
_TOP = ("name", "preset", "engine", "cycles", "seed", "frame", "analog", "tile", "ilp", "olp")
_UNIT = {
    "tile": ("program", "program_file", "masks", "weights"),
    "ilp": ("program", "program_file", "vectors"),
    "olp": ("program", "program_file", "results", "expect", "within"),
}
_KINDS = {"tile": TILE, "ilp": ILP, "olp": OLP}
#: Which arrays each way of writing weights takes, see `WeightTargets`.
_WEIGHTS = {"wp1": ("wp1", "wp2"), "wp2": ("wp1", "wp2"), "balanced": ("balanced",), "four_pcm": ("four_pcm",)}


@dataclass(frozen=True)
class ExperimentFile:
    """What a file says.

    Parameters
    ----------
    experiment : Experiment
    engines : tuple of str
        Engines that the experiment is meant for; the first one runs it unless told otherwise.
    asked : mapping of OLP index to Asked
        Of a landing pad left out, all results that are stored.
    files : tuple of Path
        Files that it names, which were read as well.
    """

    experiment: Experiment
    engines: tuple[str, ...] = ENGINES[:1]
    asked: Mapping[int, Asked] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


def load_experiment(path: Path, *, seed: int | None = None, devices: str | None = None) -> ExperimentFile:
    """Read an experiment from a TOML file, or from an npz file that `Experiment.save` wrote.

    Parameters
    ----------
    path : Path
        Files that it names are looked for beside it.
    seed : int or None
        In place of the file's.
    devices : str or None
        Model of the PCM devices, of `DEVICE_MODELS`, in place of the file's.

    Raises
    ------
    ExperimentError, AssemblyError, TomlError
        With ``file:line:column`` of the mistake; of a saved experiment that is to have other devices.
    OSError
        If the file itself cannot be read.
    """
    if path.suffix == ".npz":
        file = ExperimentFile(Experiment.load(path))
        if devices not in (None, file.experiment.analog.devices):
            raise ExperimentError(
                f"{path}: the experiment was saved with devices of model {file.experiment.analog.devices}; "
                "choose others where its TOML file is read"
            )
    else:
        file = _Reader(TomlSource.read(path), path.parent, devices).file(path.stem)
    return file if seed is None else replace(file, experiment=replace(file.experiment, seed=seed))


def change_constants(analog: AnalogConfig, settings: Sequence[str]) -> AnalogConfig:
    """Constants of the analog part, some of them changed.

    Parameters
    ----------
    analog : AnalogConfig
    settings : sequence of str
        Each as a file has it under ``[analog]``: ``age_s = 86400.0``, ``pcm.g_max_us = 20``.

    Raises
    ------
    TomlError, ExperimentError
        On a constant that there is not, or a value that it cannot have; number of the setting as its line.
    """
    for setting in settings:
        if not _SETTING.fullmatch(setting):
            raise ExperimentError(f"--set {shown(setting)}: expected a constant and its value, e.g. pcm.g_max_us=20")
    reader = _Reader(TomlSource.parse("\n".join(settings), "--set"), Path())
    return reader.changed(analog, reader.source.values, ())


class _Reader(TomlValues):
    """Turns the values of a file into an experiment, key by key."""

    def __init__(self, source: TomlSource, folder: Path, devices: str | None = None) -> None:
        super().__init__(source, folder)
        self.devices = devices
        self.keys: dict[tuple, Key] = {}  # `ExperimentError.part` -> where the file says it

    def file(self, name: str) -> ExperimentFile:
        values = self.source.values
        self.known((), values, _TOP)
        self.config = config = self.preset()
        units = dict(self.programs())
        if not units:
            raise self.error((), "no unit has a program; write one under [tile.N], [ilp.N] or [olp.N]")
        self.keys |= {(name,): (name,) for name in ("cycles", "seed", "frame")}
        try:
            experiment = Experiment(
                config,
                units,
                dict(self.masks()),
                dict(self.vectors()),
                dict(self.weights()),
                analog=self.analog(),
                seed=self.number(("seed",), 0, 0),
                frame=self.number(("frame",), 0, 0),
                cycles=self.number(("cycles",), 100_000, 1),
                name=self.text(("name",), name),
            )
        except ExperimentError as error:
            if error.part not in self.keys:
                raise
            raise self.error(self.keys[error.part], str(error).partition(": ")[2]) from None
        looked_through = limited(experiment)  # a program that never ends repeats itself
        self.check_sent(looked_through)
        results = self.results(looked_through)
        return ExperimentFile(experiment, self.engines(), results, tuple(self.files))

    # ---- the whole

    def preset(self) -> ChipConfig:
        return preset(self.choice(("preset",), self.get(("preset",)) or "chip", tuple(PRESETS)))

    def engines(self) -> tuple[str, ...]:
        value = self.get(("engine",))
        if value is None:
            return ENGINES[:1]
        if not isinstance(value, list):
            return (self.choice(("engine",), value, ENGINES),)
        if not value:
            raise self.error(("engine",), f"engine names none; expected some of {', '.join(ENGINES)}")
        return tuple(self.choice(("engine", number), name, ENGINES) for number, name in enumerate(value))

    def analog(self) -> AnalogConfig:
        presets = {"ideal": AnalogConfig.ideal, "nominal": AnalogConfig.nominal}
        value = self.get(("analog",))
        if not isinstance(value, dict):
            return presets[self.choice(("analog",), value or "ideal", tuple(presets))](self.devices or "pcm")
        make = presets[self.choice(("analog", "preset"), value.get("preset", "nominal"), tuple(presets))]
        devices = self.choice(("analog", "devices"), value.get("devices", "pcm"), tuple(DEVICE_MODELS))
        base = make(self.devices or devices)
        return self.changed(base, {name: part for name, part in value.items() if name not in _BASE}, ("analog",))

    def changed(self, model: Any, values: dict[str, Any], key: Key) -> Any:
        """A dataclass with some fields, or fields of its fields, changed, all at once."""
        names = {item.name: item for item in fields(model)}
        self.known(key, values, [*names, *_BASE] if len(key) == 1 else [*names])
        changes = {}
        for name, value in values.items():
            old, here = getattr(model, name), (*key, name)
            try:
                if is_dataclass(old):
                    self.known(here, value, [item.name for item in fields(old)])
                    changes[name] = self.changed(old, value, here)
                else:
                    changes[name] = checked(type(model), names[name], value)
            except ValueError as error:
                raise error if isinstance(error, ExperimentError) else self.error(here, str(error)) from None
        try:
            return replace(model, **changes)
        except ValueError as error:  # they contradict each other
            raise self.error(key, str(error)) from None

    # ---- units

    def units(self) -> Iterator[tuple[Unit, Key, dict[str, Any]]]:
        """Every unit that the file has a table for, with its place."""
        seen: dict[Unit, str] = {}
        for word, kind in _KINDS.items():
            tables = self.get((word,))
            if tables is None:
                continue
            if not isinstance(tables, dict):
                raise self.error((word,), f"{word} must have tables, e.g. [{word}.0]")
            for name, table in tables.items():
                key = (word, name)
                unit = Unit(kind, self.index(key, name))
                if unit in seen:
                    raise self.error(key, f"[{dotted(key)}] is {unit}, which [{word}.{seen[unit]}] is already")
                seen[unit] = name
                self.known(key, table, _UNIT[word])
                yield unit, key, table

    def index(self, key: Key, name: str) -> int:
        """Index of a unit that is named by its index, square or domain."""
        plan = self.config.floorplan
        tile = key[0] == "tile"
        count = len(plan.tiles) if tile else len(plan.domains)
        with suppress(NumberError):
            if 0 <= (index := parse_number(name)) < count:
                return index
        if tile:
            with suppress(ValueError):  # of another number of parts, or no numbers
                row, column = (parse_number(part.strip()) for part in name.split(","))
                if (row, column) in plan.tile_index:
                    return plan.tile_index[row, column]
            holes = f", without {', '.join(map(str, sorted(plan.holes)))}" if plan.holes else ""
            where = f"or squares '0,0' to '{plan.rows - 1},{plan.columns - 1}'{holes}"
            raise self.error(key, f"there is no tile {shown(name)}; this chip has tiles 0 to {count - 1}, {where}")
        if name in plan.domains:
            return plan.domains.index(name)
        pads = f"this chip has {key[0]}s 0 to {count - 1}, or {', '.join(plan.domains)}"
        raise self.error(key, f"there is no landing pad {key[0]}.{name}; {pads}")

    def programs(self) -> Iterator[tuple[Unit, tuple[int, ...]]]:
        for unit, key, table in self.units():
            if "program" in table and "program_file" in table:
                raise self.error((*key, "program_file"), f"{dotted(key)} has a program and a program_file; drop one")
            if "program" in table:
                here = (*key, "program")
                words = self.assembled(unit, here, self.text(here, ""))
            elif "program_file" in table:
                here = (*key, "program_file")
                path = self.path(here, table["program_file"])
                words = assemble(self.content(here, path), unit.kind, self.config, str(path))
            else:
                continue
            self.keys["units", unit] = here
            yield unit, words

    def assembled(self, unit: Unit, key: Key, listing: str) -> tuple[int, ...]:
        try:
            return assemble(listing, unit.kind, self.config)
        except AssemblyError as error:
            place = self.source.place_within(key, error.line, error.column)
            name, line, column = place.rsplit(":", 2)
            raise AssemblyError(name, int(line), int(column), f"{unit}: {error.text}") from None

    def masks(self) -> Iterator[tuple[tuple[int, Edge], NDArray[np.bool_]]]:
        for unit, key, table in self.units():
            masks = table.get("masks", {})
            self.known((*key, "masks"), masks, [str(edge) for edge in Edge])
            for edge, value in masks.items():
                here = (*key, "masks", edge)
                mask = np.zeros(self.config.lanes, np.bool_)
                if is_array_file(value):
                    mask = self.array(here, value)
                    if mask.dtype.kind not in "biu" or not np.isin(mask, (0, 1)).all():
                        raise self.error(here, f"{value} must hold a mask of 0 and 1, got {mask.dtype}")
                    mask = mask.reshape(-1) != 0
                else:
                    mask[list(self.numbers(here, value, self.config.lanes, "lane"))] = True
                self.keys["masks", (unit.index, Edge(edge))] = here
                yield (unit.index, Edge(edge)), mask

    def vectors(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for unit, key, table in self.units():
            if "vectors" in table:
                self.keys["vectors", unit.index] = (*key, "vectors")
                yield unit.index, self.codes((*key, "vectors"), table["vectors"])

    def codes(self, key: Key, value: Any) -> NDArray[np.uint8]:
        """Vectors of codes, (vectors, lanes)."""
        codes = self.array(key, value) if is_array_file(value) else self.inline_vectors(key, value)
        if codes.ndim != 2 or codes.shape[1] != self.config.lanes:
            expected = f"(vectors, {self.config.lanes}), one code for each lane"
            raise self.error(key, f"vectors must have the shape {expected}, got {codes.shape}")
        bad = np.argwhere(~((codes >= 0) & (codes <= self.config.max_code) & (codes == np.floor(codes))))
        if bad.size:
            vector, lane = bad[0]
            what = f"vector {vector}, lane {lane}: {codes[vector, lane]:g} is no code"
            raise self.error(key, f"{what}; expected whole numbers, 0 to {self.config.max_code}")
        return codes.astype(np.uint8)

    def check_sent(self, experiment: Experiment) -> None:
        """Every vector that a program sends must be written; what the SRAM holds otherwise is nobody's intention."""
        for (ilp, vector), cycle in sent_vectors(experiment).items():
            written = len(experiment.vectors.get(ilp, ()))
            if vector >= written:
                unit = Unit(ILP, ilp)
                what = f"{unit} sends vector {vector} in cycle {cycle}, but the file writes {written or 'none'}"
                raise self.error(self.keys["units", unit], f"{what}; add it to vectors, e.g. 0 for an empty one")

    def inline_vectors(self, key: Key, value: Any) -> NDArray:
        if not isinstance(value, list):
            raise self.error(key, "vectors must be a list of vectors, or the name of a .csv or .npy file")
        rows = []
        for number, vector in enumerate(value):
            here = (*key, number)
            if type(vector) is int:  # the same code on all lanes
                vector = [vector] * self.config.lanes
            if not isinstance(vector, list) or not all(type(code) is int for code in vector):
                raise self.error(here, "a vector is a list of codes, or one code for all lanes")
            if len(vector) != self.config.lanes:
                raise self.error(
                    here, f"vector {number} has {counted(len(vector), 'code')}, this chip's have {self.config.lanes}"
                )
            rows.append(vector)
        return np.array(rows, np.float64).reshape(len(rows), self.config.lanes)

    def weights(self) -> Iterator[tuple[int, WeightTargets]]:
        for unit, key, table in self.units():
            if "weights" not in table:
                continue
            here = (*key, "weights")
            ways = table["weights"]
            self.known(here, ways, tuple(_WEIGHTS))
            if not ways:
                raise self.error(here, f"weights say nothing; expected one of {', '.join(_WEIGHTS)}")
            for name in ways:
                for other in ways:
                    if other not in _WEIGHTS[name]:
                        raise self.error((*here, other), f"{name} and {other} exclude each other; drop one")
            arrays = {name: self.weight_array((*here, name), value) for name, value in ways.items()}
            self.keys["weights", unit.index] = here
            if "balanced" in arrays:
                yield unit.index, WeightTargets.balanced(arrays["balanced"])
            elif "four_pcm" in arrays:
                yield unit.index, WeightTargets.four_pcm(arrays["four_pcm"])
            else:
                yield unit.index, WeightTargets(**arrays)

    def weight_array(self, key: Key, value: Any) -> NDArray[np.float64]:
        """(total rows, lanes), bias rows zero unless the array has them."""
        config = self.config
        array = np.zeros((config.total_rows, config.lanes))
        if isinstance(value, int | float) and not isinstance(value, bool):
            array[: config.lanes] = value
        else:
            given = self.array(key, value) if is_array_file(value) else self.inline_weights(key, value)
            shapes = (config.lanes, config.lanes), array.shape
            if given.shape not in shapes or given.dtype.kind not in "iuf":
                raise self.error(
                    key,
                    f"weights must be numbers of the shape {shapes[0]}, or {shapes[1]} with bias rows, "
                    f"got {given.dtype} {given.shape}",
                )
            array[: len(given)] = given
        bad = np.argwhere(~(np.abs(array) <= 1))
        if bad.size:
            row, column = bad[0]
            raise self.error(key, f"weight of row {row}, column {column} is {array[row, column]}; expected -1 to 1")
        return array

    def inline_weights(self, key: Key, value: Any) -> NDArray[np.float64]:
        try:
            return real_numbers(value, "weights")
        except ValueError:
            raise self.error(key, "weights must be a number, rows of numbers, or a .csv or .npy file") from None

    def results(self, experiment: Experiment) -> dict[int, Asked]:
        """What the file asks of the landing pads' results; each must be stored by some window."""
        found = {}
        for unit, key, table in self.units():
            if "within" in table and "expect" not in table:
                raise self.error((*key, "within"), "within needs expect: the codes that results may be so far off")
            if "results" not in table and "expect" not in table:
                continue
            codes = self.codes((*key, "expect"), table["expect"]) if "expect" in table else None
            here = (*key, "results" if "results" in table else "expect")
            named = table.get("results", [*range(0 if codes is None else len(codes))])
            slots = tuple(self.numbers(here, named, self.config.olp_vectors, "result"))
            if codes is not None and len(codes) != len(slots):
                raise self.error(
                    (*key, "expect"), f"expect has {counted(len(codes), 'vector')} for {len(slots)} results"
                )
            stored = {result.slot for result in stored_results(experiment) if result.olp == unit.index}
            for slot in slots:
                if slot not in stored:
                    does = f"only {', '.join(map(str, sorted(stored)))}" if stored else "none at all"
                    message = f"result {slot} of {unit} is read, but never stored; its program stores {does}"
                    raise self.error(here, message)
            found[unit.index] = Asked(slots, codes, self.number((*key, "within"), 0, 0))
        return found
