"""The chips of a system: programmed with its weights, and calibrated on sample frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip, AnalogFileError
from analog_models.config import AnalogConfig
from analog_models.programming import program
from cosim.calibration.affine import Affine, Line, fit
from cosim.calibration.coding import rows_of
from cosim.compiler.matrices.frames import Readout
from cosim.engines.engine import Progress
from cosim.engines.session import ChipSession
from cosim.engines.twin.engine import TwinEngine
from cosim.files.archive import ArchiveError, load_archive, replacing, write_archive
from cosim.files.typed import typed
from cosim.graph import Request
from cosim.program import ChipImage
from cosim.system.chip_codes import ChipCodes
from cosim.system.image import SystemImage
from cosim.system.scheduler import Asked

__all__ = ["CALIBRATION", "Chips"]

#: Sample number of the frames that calibrate: beyond any data set.
CALIBRATION = (1 << 31) - 1
_FORMAT, _VERSION = "duramesh affine", 1


@dataclass(frozen=True, eq=False)
class Chips:
    """Chips with the weights of a network, ready to run.

    Parameters
    ----------
    images : tuple of ChipImage
    analog : tuple of AnalogChip
    affine : Affine
    """

    images: tuple[ChipImage, ...]
    analog: tuple[AnalogChip, ...]
    affine: Affine

    @classmethod
    def made(
        cls, image: SystemImage, analog: AnalogConfig, *, seed: int = 0, progress: Progress | None = None
    ) -> "Chips":
        """Program new chips, and calibrate them.

        Parameters
        ----------
        image : SystemImage
        analog : AnalogConfig
            Its age is that of the calibration.
        seed : int
            Mismatch and noise; chips of one seed differ by their number.
        progress : callable (done, all), optional
        """
        layout, config = image.layout, image.layout.config
        chips = []
        for number in range(len(layout.images)):
            blocks = layout.blocks_on(number)
            targets = layout.targets(number, {block.name: image.programmed(block.name) for block in blocks})
            chip = AnalogChip(
                analog,
                tiles=targets,
                pairs=dict(config.floorplan.capacitor_pairs()),
                rows=config.lanes,
                bias_rows=config.bias_rows,
                columns=config.lanes,
                seed=seed,
                chip=number,
            )
            program(
                chip, targets, joined=layout.joined(number), progress=_shifted(progress, number, len(layout.images))
            )
            chips.append(chip)
        return cls.calibrated(image, tuple(chips))

    @classmethod
    def calibrated(cls, image: SystemImage, chips: tuple[AnalogChip, ...]) -> "Chips":
        """Programmed chips with ramps and lines for the age that they have; nothing is placed or programmed anew."""
        readouts = image.readouts(chips[0].config)
        images = image.layout.with_readouts(readouts).images
        twin = TwinEngine()
        sessions = [twin.open(own, chip) for own, chip in zip(images, chips, strict=True)]
        return cls(images, chips, _fitted(image, sessions, readouts, chips[0].config))

    def aged(self, age_s: float) -> "Chips":
        """The chips as they are later, read and calibrated as before; they are copies."""
        chips = tuple(chip.copy() for chip in self.analog)
        for chip in chips:
            chip.set_age(age_s)
        return Chips(self.images, chips, self.affine)

    def save(self, folder: Path) -> None:
        """Write what programming and calibration gave into a folder: a file for each chip, and the lines."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, chip in enumerate(self.analog):
            with replacing(folder / f"chip{number}.npz") as part:
                chip.save(part)
        write_archive(folder / "affine.npz", _FORMAT, _VERSION, *self.affine.to_parts())

    @classmethod
    def load(cls, folder: Path, image: SystemImage) -> "Chips":
        """Read what `save` wrote; they are as they were after programming.

        Raises
        ------
        ArchiveError
            If a file is damaged.
        FileNotFoundError
        """
        try:
            chips = tuple(AnalogChip.load(folder / f"chip{number}.npz") for number in range(len(image.layout.images)))
        except AnalogFileError as error:
            raise ArchiveError(str(error)) from None
        affine = load_archive(folder / "affine.npz", _FORMAT, _VERSION, _affine, ArchiveError)
        return cls(image.layout.with_readouts(image.readouts(chips[0].config)).images, chips, affine)


@dataclass(frozen=True)
class _Header:
    lines: tuple[tuple[str, str], ...]


def _affine(meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Affine:
    return Affine.from_parts(typed(_Header, meta).lines, arrays)


def _shifted(progress: Progress | None, before: int, chips: int) -> Progress | None:
    return None if progress is None else lambda done, total: progress(before * total + done, chips * total)


def _fitted(
    image: SystemImage, sessions: Sequence[ChipSession], readouts: Mapping[str, Readout], analog: AnalogConfig
) -> Affine:
    """Lines of all blocks, from the samples; the bias is in the offset of the first rows."""
    network, layout = image.network, image.layout
    codes = ChipCodes(network, layout, image.codings, sessions)
    merged = 1 << (8 - layout.timing.readout_bits)
    frames: dict[int, int] = {}
    lines: dict[tuple[str, str], Line] = {}
    for nodes in network.requests:
        if not all(node in image.samples for node in nodes if codes.on_chip(node)):
            continue  # the samples do not come there
        inputs = tuple(image.samples.get(node, _NOTHING) for node in nodes)
        for told in codes.run(nodes, [Asked(CALIBRATION, Request(nodes, inputs), frames)]):
            node, block = nodes[told.node], told.block
            coding, copies = image.codings[block.matrix], layout.copies.get(block.matrix, 1)
            rows = rows_of(block.rows, len(coding.rows))
            part = image.weights[block.matrix][rows, slice(*block.columns)]
            products = coding.spread(inputs[told.node])[:, rows] @ part / np.float32(copies)
            step = image.scale(block.name, analog).full_scale(readouts[block.name]) / (coding.duration / 2) * merged
            line = fit(told.codes, products, coding.worth(node, block.name) * step / copies)
            bias = network.linears[node].bias
            if bias is not None and block.rows[0] == 0:
                line = Line(line.gain, line.offset + bias[slice(*block.columns)])
            lines[block.name, node] = line
    return Affine(lines)


_NOTHING = np.zeros((0, 1), np.float32)
