"""An RNN-T's weights under MLPerf's own names and shapes; its file, and the checkpoint that MLPerf published.

Source of names, shapes and labels: mlcommons/inference, speech_recognition/rnnt (Apache-2.0). Widths follow from
shapes: smaller networks of the same topology are the same format.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.values import kept
from cosim.files.archive import load_archive, replacing, write_archive
from cosim.files.extras import needed
from cosim.files.json_text import from_json, to_json
from cosim.files.typed import typed
from cosim.files.wording import counted
from cosim.graph.errors import NetworkError
from cosim.workloads.rnnt.features import FrontEnd, WordFrontEnd

__all__ = ["LABELS", "SHIPPED", "RnntNetwork", "RnntShape"]

#: Trained on connected words: docs/model-card-rnnt.md.
SHIPPED = Path(__file__).with_name("network.npz")

#: Of MLPerf's network, in the order of its outputs; the last output, blank, is none of them.
LABELS = (" ", *"abcdefghijklmnopqrstuvwxyz", "'")
#: Long short-term memories one above the other: before and behind the stacking in time, and in the prediction network.
PRE, POST, PREDICTION = 2, 3, 2
_GATES = 4
_KIND, _VERSION = "duramesh rnnt", 1
#: In the metadata of a safetensors file.
_HEADER = "duramesh rnnt"
#: Beside an array of bytes in an npz file: of every row, what 1 is worth.
_SCALE = "/scale"
#: In the card of weights that nobody has trained.
_UNTRAINED = "untrained"
#: Tensors of MLPerf's checkpoint that are none of the network's: window and filters of the front end.
_FRONT_END = "audio_preprocessor."


@dataclass(frozen=True)
class RnntShape:
    """Widths of an RNN-T; by default MLPerf's.

    Parameters
    ----------
    features : int
        Inputs of a step: bands times frames.
    encoder : int
        Width of the encoder's five LSTMs.
    stack : int
        Steps that become one between the second and the third.
    prediction : int
        Width of the embedding and of the two LSTMs of the prediction network.
    joint : int
    labels : int
        Outputs, blank included.
    """

    features: int = 240
    encoder: int = 1024
    stack: int = 2
    prediction: int = 320
    joint: int = 512
    labels: int = len(LABELS) + 1

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor, by its name; matrices are (outputs, inputs)."""
        return {
            **_lstms("encoder.pre_rnn", PRE, self.features, self.encoder),
            **_lstms("encoder.post_rnn", POST, self.stack * self.encoder, self.encoder),
            "prediction.embed.weight": (self.labels - 1, self.prediction),
            **_lstms("prediction.dec_rnn", PREDICTION, self.prediction, self.prediction),
            "joint_net.0.weight": (self.joint, self.encoder + self.prediction),
            "joint_net.0.bias": (self.joint,),
            "joint_net.3.weight": (self.labels, self.joint),
            "joint_net.3.bias": (self.labels,),
        }

    @property
    def mapped_weights(self) -> int:
        """Weights that the paper puts on chips: all matrices but the last one; 45,261,568 of MLPerf's network.

        Source: Nature 620, 768 (2023), Methods.
        """
        matrices = {name: np.prod(shape) for name, shape in self.tensors.items() if len(shape) == 2}
        return int(sum(matrices.values()) - matrices["joint_net.3.weight"])

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> "RnntShape":
        """Of tensors with these names and shapes.

        Raises
        ------
        NetworkError
            If a name is missing or unknown, or a shape does not fit; the message names it, and what was expected.
        """
        wanted = cls().tensors
        for names, others, wrong in ((wanted, shapes, "is missing"), (shapes, wanted, "is unknown")):
            if odd := [name for name in names if name not in others]:
                raise NetworkError(
                    f"tensor {odd[0]!r} {wrong}; an RNN-T has {len(wanted)} tensors of MLPerf's names, "
                    f"{next(iter(wanted))!r} to {list(wanted)[-1]!r}"
                )
        for name, size in shapes.items():
            if len(size) != len(wanted[name]) or 0 in size:
                raise NetworkError(f"tensor {name!r} has {len(wanted[name])} axes, none of them empty, got {size}")
        encoder = shapes["encoder.pre_rnn.lstm.weight_hh_l0"][1]
        shape = cls(
            features=shapes["encoder.pre_rnn.lstm.weight_ih_l0"][1],
            encoder=encoder,
            stack=max(1, shapes["encoder.post_rnn.lstm.weight_ih_l0"][1] // encoder),
            prediction=shapes["prediction.embed.weight"][1],
            joint=shapes["joint_net.3.weight"][1],
            labels=shapes["joint_net.3.bias"][0],
        )
        for name, expected in shape.tensors.items():
            if tuple(shapes[name]) != expected:
                raise NetworkError(
                    f"tensor {name!r} is {tuple(shapes[name])}, and beside the others must be {expected}"
                )
        return shape


def _lstms(name: str, layers: int, inputs: int, width: int) -> dict[str, tuple[int, ...]]:
    """Tensors of LSTMs one above the other, as PyTorch has them."""
    found: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        found[f"{name}.lstm.weight_ih_l{layer}"] = _GATES * width, width if layer else inputs
        found[f"{name}.lstm.weight_hh_l{layer}"] = _GATES * width, width
        found[f"{name}.lstm.bias_ih_l{layer}"] = found[f"{name}.lstm.bias_hh_l{layer}"] = (_GATES * width,)
    return found


@dataclass(frozen=True)
class _Header:
    """What a file has beside tensors."""

    labels: tuple[str, ...] = LABELS
    front_end: FrontEnd | WordFrontEnd = field(default_factory=FrontEnd)
    card: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class RnntNetwork:
    """Weights, and what its inputs and outputs mean.

    Parameters
    ----------
    tensors : mapping of str to float32 array
        As `RnntShape.tensors`; gates lie in PyTorch's order, input, forget, candidate, output, and the joint network's
        inputs are the encoder's, then the prediction network's.
    labels : tuple of str
        Text of every output but the last, blank.
    front_end : FrontEnd or WordFrontEnd
    card : mapping
        How it was trained and what it reached; what JSON holds.

    Raises
    ------
    NetworkError
        If tensors, labels and front end do not fit together, or a number is none.
    """

    tensors: Mapping[str, NDArray[np.float32]]
    labels: tuple[str, ...] = LABELS
    front_end: FrontEnd | WordFrontEnd = field(default_factory=FrontEnd)
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = RnntShape.of({name: np.shape(array) for name, array in self.tensors.items()})
        found = {}
        for name in shape.tensors:
            array = np.asarray(self.tensors[name])
            if array.dtype.kind != "f" or not np.isfinite(array).all():
                raise NetworkError(f"tensor {name!r} must hold finite real numbers, got {array.dtype}")
            found[name] = kept(array.astype(np.float32))
        object.__setattr__(self, "tensors", found)
        if len(self.labels) != shape.labels - 1:
            raise NetworkError(
                f"{counted(len(self.labels), 'label')} for a network of {counted(shape.labels, 'output')}; expected "
                "one for each but the last"
            )
        if self.front_end.features != shape.features:
            raise NetworkError(
                f"the front end gives {self.front_end.features} numbers a step, the network takes {shape.features}"
            )

    @property
    def shape(self) -> RnntShape:
        return RnntShape.of({name: array.shape for name, array in self.tensors.items()})

    @classmethod
    def random(
        cls, shape: RnntShape | None = None, seed: int = 0, labels: Iterable[str] | None = None
    ) -> "RnntNetwork":
        """Weights as PyTorch begins with, for measurements of time and tests: it transcribes nothing."""
        shape, rng = shape or RnntShape(), np.random.default_rng(seed)
        tensors = {}
        for name, size in shape.tensors.items():
            inputs = shape.prediction if name.startswith("prediction") else shape.encoder
            tensors[name] = rng.uniform(-1, 1, size).astype(np.float32) * np.float32(inputs**-0.5)
        bands = 80 if shape.features % 80 == 0 else shape.features
        return cls(
            tensors,
            tuple(labels or (LABELS if shape.labels == len(LABELS) + 1 else map(str, range(shape.labels - 1)))),
            FrontEnd(bands, shape.features // bands),
            {_UNTRAINED: f"random weights of seed {seed}"},
        )

    @property
    def trained(self) -> bool:
        """False of `random` weights, whose card says so."""
        return _UNTRAINED not in self.card

    @property
    def _header(self) -> _Header:
        return _Header(self.labels, self.front_end, self.card)

    def save(self, path: Path, *, eight_bits: bool = False) -> None:
        """Write the network, whole or not at all: safetensors or npz, as the name ends.

        Parameters
        ----------
        path : Path
        eight_bits : bool
            In npz, matrices as bytes, with a scale for each of their rows: a quarter of the size, and not the same
            weights; what is read is the rounded network.

        Raises
        ------
        NetworkError
            If the name ends in something else, or `eight_bits` is asked for in safetensors.
        OutputError
        MissingPackage
            Without the extra "networks", for safetensors.
        """
        meta = asdict(self._header)
        self.check_name(path, eight_bits=eight_bits)
        if path.suffix == ".npz":
            arrays = dict(self._rounded()) if eight_bits else dict(self.tensors)
            write_archive(path, _KIND, _VERSION, meta, arrays, compress=eight_bits)
            return
        numpy = needed("safetensors.numpy", "networks", "writing weights")
        with replacing(path) as part:
            numpy.save_file(dict(self.tensors), part, {_HEADER: to_json(meta)})

    @staticmethod
    def check_name(path: Path, *, eight_bits: bool = False) -> None:
        """See before the work that `save` knows a format for a name.

        Raises
        ------
        NetworkError
        """
        if path.suffix != ".npz" and (path.suffix != ".safetensors" or eight_bits):
            raise NetworkError(f"{path}: give a name that ends in .npz{'' if eight_bits else ' or .safetensors'}")

    def _rounded(self) -> Iterator[tuple[str, NDArray]]:
        for name, array in self.tensors.items():
            if array.ndim < 2:
                yield name, array
                continue
            scale = np.abs(array).max(axis=1) / 127
            yield name, np.rint(array / np.where(scale, scale, 1)[:, None]).astype(np.int8)
            yield name + _SCALE, scale.astype(np.float32)

    @classmethod
    def load(cls, path: Path) -> "RnntNetwork":
        """Read what `save` wrote, or MLPerf's checkpoint, whose name ends in .pt.

        Raises
        ------
        NetworkError
            If the file holds no RNN-T, or is damaged; the message says what is wrong.
        FileNotFoundError
        MissingPackage
            Without the extra "networks", for safetensors, or "train", for a checkpoint.
        """
        if path.suffix == ".npz":
            return load_archive(path, _KIND, _VERSION, cls._of_archive, NetworkError)
        if path.suffix not in (".safetensors", ".pt", ".pth"):
            raise NetworkError(f"{path}: expected the name of an RNN-T's file: .npz, .safetensors, or MLPerf's .pt")
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
        try:
            return cls._of_safetensors(path) if path.suffix == ".safetensors" else cls._of_checkpoint(path)
        except ValueError as error:
            raise NetworkError(f"{path}: {error}") from None

    @classmethod
    def _of_archive(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> "RnntNetwork":
        tensors = {}
        for name, array in arrays.items():
            if name.endswith(_SCALE) and name.removesuffix(_SCALE) in arrays:
                continue
            if array.dtype == np.int8:
                scale = arrays.get(name + _SCALE)
                if scale is None or scale.dtype.kind != "f" or scale.shape != array.shape[:1]:
                    raise NetworkError(f"tensor {name!r} is of bytes, and there is no scale for each of its rows")
                array = array.astype(np.float32) * scale[:, None].astype(np.float32)
            tensors[name] = array
        return cls._with(tensors, meta)

    @classmethod
    def _with(cls, tensors: Mapping[str, NDArray], meta: Any) -> "RnntNetwork":
        header: _Header = typed(_Header, meta)
        return cls(tensors, header.labels, header.front_end, header.card)

    @classmethod
    def _of_safetensors(cls, path: Path) -> "RnntNetwork":
        library = needed("safetensors", "networks", "reading weights")
        try:
            with library.safe_open(path, framework="numpy") as file:
                header = (file.metadata() or {}).get(_HEADER)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        except (library.SafetensorError, OSError, TypeError) as error:
            raise NetworkError(
                f"no safetensors file of numbers that numpy knows, or only part of one: {error}"
            ) from None
        return cls._with(tensors, asdict(_Header()) if header is None else from_json(header))

    @classmethod
    def _of_checkpoint(cls, path: Path) -> "RnntNetwork":
        """MLPerf's: weights under ``state_dict``, beside those of its front end."""
        torch = needed("torch", "train", "reading a checkpoint")
        try:
            held = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # unpicklers raise whatever they like
            raise NetworkError(
                f"no checkpoint of weights alone, or only part of one ({type(error).__name__}); "
                "expected MLPerf's of RNN-T"
            ) from None
        state = held.get("state_dict") if isinstance(held, dict) else None
        if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
            raise NetworkError("the checkpoint has no 'state_dict' of tensors; expected MLPerf's of RNN-T")
        return cls(
            {
                name.replace("joint.net.", "joint_net."): value.to(torch.float32).numpy()
                for name, value in state.items()
                if not name.startswith(_FRONT_END)
            }
        )
