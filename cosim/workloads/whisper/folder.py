"""Where a Whisper model lies, if nobody says."""

import os
from collections.abc import Iterator
from pathlib import Path

from cosim.files.errors import UserError

__all__ = ["ModelNotFound", "whisper_folder"]

#: Names of folders of the model that is taken by default.
_NAMES = ("whisper-tiny.en", "whisper_tiny_en")
_HUB_NAME = "models--openai--whisper-tiny.en"


class ModelNotFound(UserError, FileNotFoundError):
    """No folder of a Whisper model; the message says how to get one."""


def whisper_folder(audio: Path) -> Path:
    """The folder of Whisper tiny.en: beside the audio or above it, in `DURAMESH_DATA`, or in Hugging Face's cache.

    Raises
    ------
    ModelNotFound
    """
    for folder in _candidates(audio):
        if (folder / "config.json").is_file():
            return folder
    raise ModelNotFound(
        f"no Whisper model found beside {audio} ({' or '.join(_NAMES)}), in DURAMESH_DATA or in Hugging Face's cache; "
        "give its folder with --model, or fetch it: hf download openai/whisper-tiny.en"
    )


def _candidates(audio: Path) -> Iterator[Path]:
    places = [audio.absolute(), *audio.absolute().parents]
    if data := os.environ.get("DURAMESH_DATA"):
        places.insert(0, Path(data))
    for place in places:
        yield from (place / name for name in _NAMES)
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    yield from sorted((hub / _HUB_NAME / "snapshots").glob("*"))
