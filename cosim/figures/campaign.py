"""A measurement campaign on the simulated chip: what all studies share, and a folder with what is measured already.

::

    data/STUDY.npz             a finished measurement
    parts/STUDY/KEY.npz        finished parts of one that is under way
    shared/DIGEST/             clips and network, for workers

    campaign.json              settings and data of the campaign that the folder belongs to

Files appear complete, under their final name. A part is used again if it was measured by the same code, with the same
settings and data; so a campaign that was interrupted or killed goes on where it stood. A folder that holds another
campaign, or something else, is refused: what is in it was work. Workers measure parts side by side; which of them did
it changes nothing.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.config import AnalogConfig
from cosim.calibration import STEPS, CalibratedChip, Step
from cosim.compiler import MappingOptions
from cosim.figures.folder import CampaignError, claim_folder
from cosim.figures.measurement import Measurement
from cosim.files.archive import ArchiveError, read_archive, write_archive
from cosim.files.digest import digest, digest_of_files
from cosim.files.wording import counted
from cosim.sweep import Store, Stored, Workers
from cosim.sweep.pace import Pace
from cosim.sweep.run import run_all
from cosim.sweep.workers import GB
from cosim.system.checkpoint import code_digest
from cosim.workloads.kws.model import KwsModel
from cosim.workloads.kws.workload import ClipSet, calibration_clips, load_clips, prepare_chip
from rtl.config import ChipConfig, preset

__all__ = ["MEMORY", "Campaign", "CampaignError", "Make", "Measurable", "describe_seeds"]

_FORMAT, _VERSION = "duramesh part", 1
#: Bytes that a worker takes: networks on up to five chips are the largest.
MEMORY = 3 * GB
#: Makes a part: arrays, or numbers, by name.
Make = Callable[[], Mapping[str, ArrayLike]]
#: Clips of a run without a data set; a full one takes all of a data set's.
_SPOKEN, _QUICK_CLIPS, _QUICK_CALIBRATION = 600, 120, 250


def describe_seeds(seeds: Sequence[int]) -> str:
    """Some chips of a campaign, for findings: "chip 0", or "chips 0-2"."""
    return f"chip {seeds[0]}" if len(seeds) == 1 else f"chips {seeds[0]}-{seeds[-1]}"


class Measurable(Protocol):
    """What a campaign measures: a `Study`, or a part of one that has a name and a measurement."""

    @property
    def name(self) -> str:
        """Of its file and its folder of parts."""

    @property
    def measure(self) -> "Callable[[Campaign], Measurement]":
        """Makes the measurement. Long work goes through `Campaign.part`, so that it survives an interruption."""


class Campaign:
    """Settings, data and progress of a campaign.

    Parameters
    ----------
    folder : Path
        Where results are kept; it is made.
    quick : bool
        Less of everything: whether it works, and roughly what comes out.
    seed : int
        Of the first chip; others follow it.
    chips : int, optional
        Independently programmed chips where a study takes many; by default 20, quick 2.
    analog : AnalogConfig, optional
        Constants of the chips; by default the nominal ones.
    audio, features : Path, optional
        As of `duramesh kws`: clips to classify; prepared features for calibration and training.
    given : mapping of str to str, optional
        What else determines the campaign: of a command that measures something of its own.
    stale : bool
        Take what earlier code has measured. The results say so.
    workers : Workers, optional
        They measure parts side by side; by default this process does, one after the other.
    say : callable (what is being done), optional
    advance : callable (done, total), optional
        How far the current thing is.

    Raises
    ------
    CampaignError
        By `claim`, `measure` and `finished`, if the folder is not this campaign's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        quick: bool = False,
        seed: int = 0,
        chips: int | None = None,
        analog: AnalogConfig | None = None,
        audio: Path | None = None,
        features: Path | None = None,
        given: Mapping[str, str] | None = None,
        stale: bool = False,
        workers: Workers | None = None,
        say: Callable[[str], None] | None = None,
        advance: Callable[[int, int], None] | None = None,
    ) -> None:
        self.folder = folder
        self.quick, self.seed, self.stale, self.given = quick, seed, stale, dict(given or {})
        self.chip_count = chips if chips is not None else 2 if quick else 20
        self.analog = analog or AnalogConfig()
        self.audio, self.features, self.workers = audio, features, workers
        self._say, self._advance = say or (lambda _: None), advance or (lambda *_: None)
        self._study = ""
        self._claimed = False
        self._codes: set[str] = set()  # digests of the code behind the current study's parts
        self._shared: dict[str, Stored[Any]] = {}  # what workers read instead of preparing it again

    # What studies take ------------------------------------------------------------------------------------------------

    @property
    def seeds(self) -> range:
        """Seeds of the campaign's chips."""
        return range(self.seed, self.seed + self.chip_count)

    @property
    def seeds_text(self) -> str:
        """The same for findings: "chips 0-19"."""
        return describe_seeds(self.seeds)

    @cached_property
    def config(self) -> ChipConfig:
        """The full chip."""
        return preset()

    @cached_property
    def model(self) -> KwsModel:
        """The shipped keyword-spotting network."""
        return self._shared["model"].value if "model" in self._shared else KwsModel.load()

    @cached_property
    def clips(self) -> ClipSet:
        """Clips to classify: the data set's test clips, or speech of the held-out voices."""
        if "clips" in self._shared:
            return self._shared["clips"].value
        self.say("reading the test clips" if self.audio else "speaking the test clips")
        count = _QUICK_CLIPS if self.quick else None if self.audio else _SPOKEN
        return load_clips(self.audio, count, self.seed)

    @cached_property
    def calibration(self) -> ClipSet:
        """Clips that calibrate chips, 1,000 as in the paper (quick: 250)."""
        if "calibration" in self._shared:
            return self._shared["calibration"].value
        self.say("reading the calibration clips" if self.audio or self.features else "speaking the calibration clips")
        kept = calibration_clips(self.audio, self.features)
        count = _QUICK_CALIBRATION if self.quick else len(kept)
        return ClipSet(kept.source, kept.names[:count], kept.labels[:count], kept.features[:count])

    def calibrated(
        self,
        seed: int,
        *,
        analog: AnalogConfig | None = None,
        options: MappingOptions | None = None,
        inputs: ClipSet | None = None,
        steps: Collection[Step] = STEPS,
    ) -> CalibratedChip:
        """A chip with the keyword-spotting network, programmed and calibrated; by default with `calibration`."""
        inputs = self.calibration if inputs is None else inputs
        analog = analog or self.analog
        return prepare_chip(
            self.model, inputs, config=self.config, analog=analog, options=options, seed=seed, steps=steps
        )

    # Progress and what is kept ----------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Tell what is being done."""
        self._say(f"{self._study}: {text}" if self._study else text)

    def advance(self, done: int, total: int) -> None:
        """Tell how far it is."""
        self._advance(done, total)

    def part(self, key: str, make: Make) -> dict[str, NDArray]:
        """A part of the current study's measurement: as it is kept, or else from `make`, which is then kept.

        Parameters
        ----------
        key : str
            Names the part among the study's: letters, digits, spaces, points and hyphens; with all that distinguishes
            it, e.g. "chip 3, age 86400 s".
        make : callable
            Gives arrays (numbers are arrays of no dimension), by name.
        """
        if not self._study:
            raise RuntimeError("parts belong to a study: call Campaign.measure")
        path, wanted = self._place(key)
        if (kept := self._kept(path, wanted)) is not None:
            return kept
        self._codes.add(self._fingerprint["code"])
        arrays = {name: np.asarray(value) for name, value in make().items()}
        write_archive(path, _FORMAT, _VERSION, {"about": wanted}, arrays)
        return arrays

    def parts(self, groups: Iterable[Mapping[str, Make]]) -> dict[str, dict[str, NDArray]]:
        """Parts of the current study's measurement by their keys: as they are kept, or else from the workers.

        Parameters
        ----------
        groups : iterable of {key: make}
            As of `part`. A group goes to one worker, which makes its parts in turn: those that share what takes long to
            make. With what it is bound to, `make` is pickled: it is a function of a module or a method, not a lambda.

        Raises
        ------
        CampaignError
            If a worker has other code.
        """
        asked = [dict(group) for group in groups]
        keys = [key for group in asked for key in group]
        count = len(keys)
        found: dict[str, dict[str, NDArray]] = {}
        for group in asked:
            kept = {key: part for key in group if (part := self._kept(*self._place(key))) is not None}
            found |= kept
            for key in kept:
                del group[key]
        missing = [group for group in asked if group]
        if self.workers is None:
            for key, make in (one for group in missing for one in group.items()):
                self.say(key)
                found[key] = self.part(key, make)
                self.advance(len(found), count)
        elif missing:
            pace = Pace(count - len(found))
            self.say(f"{counted(count - len(found), 'part')} on {self.workers}")
            self._share()
            for _, parts in run_all(partial(_measured, self, self._study), missing, self.workers):
                self._codes.add(self._fingerprint["code"])
                found |= parts
                pace.add(len(parts))
                self.say(f"{', '.join(parts)} ({pace})")
                self.advance(len(found), count)
        return {key: found[key] for key in keys}

    def _share(self) -> None:
        """Write for workers what this process has prepared."""
        store = Store(self.folder / "shared")
        ways: dict[str, type[ClipSet | KwsModel]] = {"clips": ClipSet, "calibration": ClipSet, "model": KwsModel}
        for name, kind in ways.items():
            if name in self.__dict__ and name not in self._shared:
                self._shared[name] = store.put(f"{name}.npz", self.__dict__[name], kind.save, kind.load)

    def __getstate__(self) -> dict[str, Any]:
        """What travels to a worker: settings, and where it finds the rest."""
        _ = self._fingerprint  # which takes reading all data
        mute = {"workers": None, "_say": _nothing, "_advance": _nothing, "folder": self.folder.absolute()}
        return {name: value for name, value in self.__dict__.items() if name not in self._shared} | mute

    def _place(self, key: str) -> tuple[Path, dict[str, Any]]:
        """Where a part of the current study is kept, and what its file must say of itself."""
        path = self.folder / "parts" / self._study / f"{digest([key])[:16]}.npz"
        return path, {"key": key, **self._fingerprint}

    def _kept(self, path: Path, wanted: Mapping[str, Any]) -> dict[str, NDArray] | None:
        try:
            meta, arrays = read_archive(path, _FORMAT, _VERSION)
        except FileNotFoundError:
            return None
        except ArchiveError as error:
            self.say(f"measured anew: {error}")
            return None
        about = meta.get("about")
        if not isinstance(about, dict) or not self._same(about, wanted):
            return None
        self._codes.add(str(about["code"]))
        return arrays

    def _same(self, about: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
        """Whether it is what is wanted: of the same settings and data, and by the same code, or any if `stale`."""
        return all(
            about.get(name) == value or (self.stale and name == "code" and isinstance(about.get(name), str))
            for name, value in wanted.items()
        )

    @cached_property
    def _fingerprint(self) -> dict[str, Any]:
        """What decides whether a measurement is that of this campaign."""
        return {**self._identity, "code": code_digest()}

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """Settings, and the content of the data: files of one name may hold anything."""
        paths = [path for path in (self.audio, self.features) if path is not None]
        return {**self.settings, **self.given, "data": digest(map(digest_of_files, paths)) if paths else None}

    def claim(self) -> None:
        """Make the folder this campaign's, if it is empty or new.

        Raises
        ------
        CampaignError
            If it is another one's, or holds something else.
        OutputError
            If it cannot be written to.
        """
        if self._claimed:
            return
        claim_folder(self.folder, self._identity)
        self._claimed = True

    @property
    def settings(self) -> dict[str, Any]:
        """The campaign in JSON."""
        constants = self.analog.describe()
        return {
            "quick": self.quick,
            "seed": self.seed,
            "chips": self.chip_count,
            "devices": self.analog.devices,
            "constants": None if constants == "nominal" else constants,
            "audio": self.audio.name if self.audio else None,
            "features": self.features.name if self.features else None,
        }

    def measure(self, study: Measurable) -> tuple[Measurement, dict[str, Any]]:
        """The study's measurement, and what is known about it: its settings and the code's digest.

        A finished one is taken from the folder.

        Raises
        ------
        Unavailable
            If the study cannot be made here.
        KeyboardInterrupt
            On Ctrl-C; finished parts are kept.
        """
        self.claim()
        if (kept := self.finished(study)) is not None:
            return kept
        with self._in(study.name):
            measurement = study.measure(self)
        path = self._path(study)
        codes = self._codes or {self._fingerprint["code"]}
        measurement.save(path, **{**self._fingerprint, "code": ", ".join(sorted(codes))})
        return Measurement.load(path)  # so that what is drawn today is what is drawn from the file tomorrow

    def finished(self, study: Measurable) -> tuple[Measurement, dict[str, Any]] | None:
        """What the folder holds of a study, if it is whole and of this campaign."""
        try:
            measurement, about = Measurement.load(self._path(study))
        except FileNotFoundError:
            return None
        except ArchiveError as error:
            self.say(f"not used: {error}")
            return None
        return (measurement, about) if self._same(about, self._fingerprint) else None

    def _path(self, study: Measurable) -> Path:
        return self.folder / "data" / f"{study.name}.npz"

    @contextmanager
    def _in(self, study: str) -> Iterator[None]:
        self._study, self._codes = study, set()
        try:
            yield
        finally:
            self._study = ""


def _nothing(*_: Any) -> None:
    """What a worker says, and to whom."""


def _measured(campaign: Campaign, study: str, group: Mapping[str, Make]) -> dict[str, dict[str, NDArray]]:
    """What a worker does: parts are kept in the campaign's folder as it makes them."""
    if code_digest() != campaign._fingerprint["code"]:
        raise CampaignError("a worker has other code than the campaign; install the same version of duramesh there")
    with campaign._in(study):
        return {key: campaign.part(key, make) for key, make in group.items()}
