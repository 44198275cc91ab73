"""Networks in Hugging Face's folders as graphs: BERT, MiniLM, DistilBERT, ALBERT, Whisper."""

from collections.abc import Mapping
from pathlib import Path

from cosim.graph.errors import NetworkError
from cosim.graph.graph import Graph
from cosim.graph.hugging_face.folder import ModelFolder
from cosim.graph.hugging_face.text import TEXT_KINDS, text_graph
from cosim.graph.hugging_face.whisper import whisper_graphs

__all__ = ["read_text_model", "read_whisper"]


def read_text_model(path: Path, output: str | None = None) -> Graph:
    """A BERT (MiniLM is one), DistilBERT or ALBERT; see `cosim.graph.hugging_face.text.text_graph`.

    Parameters
    ----------
    path : Path
        Folder with config.json and model.safetensors, or pieces of it with their index.
    output : str, optional
        "last_hidden_state", "pooler_output" or "logits".

    Raises
    ------
    NetworkError
        If the folder is none, is of another architecture, or lacks something; the message says what and where.
    MissingPackage
        Without the extra "networks".
    """
    with ModelFolder(path) as folder:
        _expect(folder, *TEXT_KINDS)
        return text_graph(folder, output)


def read_whisper(path: Path) -> Mapping[str, Graph]:
    """A Whisper: the graphs "encoder", "cross", "decoder"; see `cosim.graph.hugging_face.whisper.whisper_graphs`.

    Raises
    ------
    NetworkError, MissingPackage
        As `read_text_model`.
    """
    with ModelFolder(path) as folder:
        _expect(folder, "whisper")
        return whisper_graphs(folder)


def _expect(folder: ModelFolder, *kinds: str) -> None:
    if folder.kind not in kinds:
        raise NetworkError(
            f"{folder.path} holds a {folder.kind!r}; expected {', '.join(kinds)}. Any other network can be read from "
            "ONNX, or built with cosim.graph.Builder"
        )
