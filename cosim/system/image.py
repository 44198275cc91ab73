"""A network on chips, before any chip is made: graphs, layout, scales, and the frames that will calibrate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.npz import ArraySpec, check_arrays
from cosim.calibration.coding import Coding, CodingHeader, expanded
from cosim.calibration.readouts import Scale
from cosim.compiler.matrices.frames import Readout
from cosim.compiler.matrices.layout import Layout
from cosim.files.archive import load_archive, write_archive
from cosim.files.chip_config import config_to_json
from cosim.files.digest import digest, digest_of_arrays
from cosim.files.errors import UserError
from cosim.files.json_text import to_json
from cosim.files.typed import typed
from cosim.files.wording import counted
from cosim.graph import Graph, Node, State
from cosim.graph.parts import from_parts, to_parts
from cosim.system.network import Network
from rtl.config import ChipConfig

__all__ = ["ImageError", "SystemImage", "scale_of"]

_FORMAT, _VERSION = "duramesh system", 2


class ImageError(UserError, ValueError):
    """A file holds no system image, or parts that do not belong together; the message says what and where."""


@dataclass(frozen=True, eq=False)
class SystemImage:
    """What `duramesh compile` makes.

    Parameters
    ----------
    network : Network
    layout : Layout
    codings : mapping of matrix to Coding
        Of those that are on chips.
    samples : mapping of node to (frames, inputs) float32
        Inputs on which chips are calibrated, of nodes whose matrix is on a chip.
    axes : mapping of str to int
        How many axes an input has, where that is known: `cosim.system.models.Model`.
    """

    network: Network
    layout: Layout
    codings: Mapping[str, Coding]
    samples: Mapping[str, NDArray[np.float32]]
    axes: Mapping[str, int] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the image to a file without pickle, whole or not at all.

        Raises
        ------
        OutputError
        """
        graphs, parts = to_parts(self.network)
        arrays = {f"network {name}": array for name, array in parts.items()}
        headers = {}
        for number, (matrix, coding) in enumerate(self.codings.items()):
            headers[matrix], own = coding.to_parts()
            arrays |= {f"coding {number} {name}": array for name, array in own.items()}
        arrays |= {f"sample {number}": x for number, x in enumerate(self.samples.values())}
        meta = {
            "network": graphs,
            "layout": self.layout.to_json(),
            "config": config_to_json(self.layout.config),
            "codings": headers,
            "samples": list(self.samples),
            "axes": dict(self.axes),
        }
        write_archive(path, _FORMAT, _VERSION, meta, arrays, compress=False)  # weights hardly shrink

    @classmethod
    def load(cls, path: Path) -> "SystemImage":
        """Read what `save` wrote.

        Raises
        ------
        ImageError
            If the file is no image, cut short or damaged, or of another version.
        FileNotFoundError
        """
        return load_archive(path, _FORMAT, _VERSION, cls._from_parts, ImageError)

    @classmethod
    def _from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> "SystemImage":
        header = typed(_Header, meta)
        rooms: dict[str, dict[str, NDArray]] = {"network": {}, "sample": {}}
        for key, array in arrays.items():
            room, _, name = key.partition(" ")
            if room == "coding":
                number, _, name = name.partition(" ")
                room = f"coding {number}"
            rooms.setdefault(room, {})[name] = array
        network = from_parts(Network, header.network, rooms.pop("network"), (Graph, Node, State))
        samples, own = rooms.pop("sample"), rooms
        check_arrays(samples, {str(number): ArraySpec("f4", (None, None)) for number in range(len(header.samples))})
        codings = {
            matrix: Coding.from_parts(coding, own.pop(f"coding {number}", {}))
            for number, (matrix, coding) in enumerate(header.codings.items())
        }
        if own:
            raise ValueError(f"it has arrays that nothing needs: {', '.join(own)}")
        image = cls(
            network,
            Layout.from_json(header.layout, header.config),
            codings,
            {node: samples[str(number)] for number, node in enumerate(header.samples)},
            header.axes,
        )
        image.check()
        return image

    def check(self) -> None:
        """Make sure that the parts belong together.

        Raises
        ------
        ImageError
            If a block has no scales, or a node's samples are of another width.
        """
        layout, network = self.layout, self.network
        for name, block in layout.blocks.items():
            coding = self.codings.get(block.matrix)
            if block.matrix not in network.matrices or coding is None:
                raise ImageError(f"block {name} is of matrix {block.matrix}, which has no weights or no scales")
            if coding.columns.get(name, np.zeros(0)).shape != (block.shape[1],) or name not in coding.full_scale:
                raise ImageError(f"block {name} has {counted(block.shape[1], 'column')}, but not so many scales")
            if len(coding.rows) != self.weights[block.matrix].shape[0] or coding.duration != layout.timing.duration:
                raise ImageError(f"the scales of matrix {block.matrix} are for another size or duration")
        for name, coding in self.codings.items():
            if any(not 0 <= row < network.matrices[name].inputs for row in coding.outliers):
                raise ImageError(f"the host keeps inputs of matrix {name} that it does not have")
        for node, x in self.samples.items():
            if node not in network.linears or x.shape[1] != network.linears[node].inputs:
                raise ImageError(f"samples of {node} are {x.shape}, which does not fit its matrix")
            if node not in self.codings[network.matrix_of[node]].inputs:
                raise ImageError(f"{node} has samples, but no scale of its inputs")

    @cached_property
    def digest(self) -> str:
        """Of everything that codes depend on."""
        matrices = self.network.matrices
        meta = {"layout": self.layout.to_json(), "requests": self.network.requests}
        parts: list[str | bytes] = [to_json(meta, sort_keys=True), to_json(config_to_json(self.layout.config))]
        for name, coding in sorted(self.codings.items()):
            header, arrays = coding.to_parts()
            parts += [name, to_json(header), digest_of_arrays(matrices[name].weights, *arrays.values())]
        parts += [f"{node} {digest_of_arrays(x)}" for node, x in sorted(self.samples.items())]
        return digest(parts)

    @cached_property
    def weights(self) -> Mapping[str, NDArray[np.float32]]:
        """Of every matrix that is on a chip, (rows, columns) as they are there but for scales."""
        matrices = self.network.matrices
        return {
            name: expanded(matrices[name].weights, coding.expansion, coding.outliers)
            for name, coding in self.codings.items()
        }

    def programmed(self, block: str) -> NDArray[np.float64]:
        """Target weights of a block, (rows, columns) within [-1, 1]."""
        what = self.layout.blocks[block]
        return self.codings[what.matrix].weights(what, self.weights[what.matrix])

    def scale(self, block: str, analog: AnalogConfig) -> Scale:
        """What a block's readout can tell."""
        return scale_of(self.layout, block, analog)

    def readouts(self, analog: AnalogConfig) -> dict[str, Readout]:
        """Of every block, for constants of the analog part, and the age that they have."""
        return {
            name: self.scale(name, analog).readout(self.codings[block.matrix].full_scale[name])
            for name, block in self.layout.blocks.items()
        }


def scale_of(layout: Layout, block: str, analog: AnalogConfig) -> Scale:
    """What the readout of a block of a layout can tell."""
    return Scale(layout.blocks[block], len(layout.seats[block].tiles), layout.timing.duration, analog)


@dataclass(frozen=True)
class _Header:
    """What a file has of an image beside arrays."""

    network: Mapping[str, Any]
    layout: Any
    config: ChipConfig
    codings: Mapping[str, CodingHeader]
    samples: tuple[str, ...]
    axes: Mapping[str, int]
