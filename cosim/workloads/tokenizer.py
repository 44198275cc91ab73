"""Tokenizers of Hugging Face's folders."""

from pathlib import Path
from typing import Any

from cosim.files.errors import UserError
from cosim.files.extras import needed

__all__ = ["TokenizerError", "load_tokenizer"]


class TokenizerError(UserError, ValueError):
    """A folder has no tokenizer, or settings of it are wrong; the message says what is missing."""


def load_tokenizer(folder: Path) -> Any:
    """`tokenizer.json` of a folder, without padding.

    Returns
    -------
    tokenizers.Tokenizer

    Raises
    ------
    TokenizerError, MissingPackage
    """
    tokenizers = needed("tokenizers", "networks", "reading text into tokens")
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise TokenizerError(f"{file}: no such file; expected a Hugging Face folder with the tokenizer of its network")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # whatever the library finds: it has no type of its own
        raise TokenizerError(f"{file} is no tokenizer ({error}); fetch it again") from None
    tokenizer.no_padding()
    return tokenizer
