"""Whisper's vocabulary: text of tokens, and the rules that its greedy decoding keeps.

Source: A. Radford et al., arXiv:2212.04356, and the `decoding` and `tokenizer` modules that came with it; Hugging
Face's `generation_config.json` and `tokenizer.json` hold the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.files.errors import UserError
from cosim.files.extras import needed
from cosim.files.json_text import JsonError, from_json

__all__ = ["DecodingRules", "Vocabulary", "VocabularyError"]

#: Vocabularies from this size on are of many languages; smaller ones are English.
_MANY_LANGUAGES = 51_865
#: Marks of what is asked for and of what was heard, never a part of a transcript.
_MARKS = ("startoftranscript", "translate", "transcribe", "startoflm", "startofprev", "nocaptions", "nospeech")
#: Punctuation that says how something sounds, not what is said: brackets, notes, speakers' dashes.
_SOUNDS = tuple('"#()*+/:;<=>@[\\]^_`{|}~「」『』')
_SOUNDS += ("<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("')
_SOUNDS += ("((", "))", "(((", ")))", "[[", "]]", "{{", "}}", "♪♪", "♪♪♪")
_NOTES = tuple("♩♪♫♬♭♮♯")


class VocabularyError(UserError, ValueError):
    """A folder has no vocabulary of Whisper's; the message says what is missing."""


@dataclass(frozen=True)
class DecodingRules:
    """What greedy decoding keeps to.

    Members
    -------
    start : tuple of int
        Tokens that a transcript begins with.
    end : int
        Token that ends it.
    suppressed : frozenset of int
        Never chosen.
    suppressed_first : frozenset of int
        Not chosen as the first one.
    most : int
        Tokens of a transcript, its start not counted: whoever repeats himself for ever ends here.
    """

    start: tuple[int, ...]
    end: int
    suppressed: frozenset[int]
    suppressed_first: frozenset[int]
    most: int


class Vocabulary:
    """Tokens of a Hugging Face folder.

    Parameters
    ----------
    folder : Path
        With `tokenizer.json` and `config.json`; `generation_config.json` may name tokens that are suppressed.

    Members
    -------
    rules : DecodingRules
    bands : int
        Mel bands of the front end.

    Raises
    ------
    VocabularyError
        If a file or a token that Whisper needs is missing.
    MissingPackage
        If `tokenizers` is not installed.
    """

    def __init__(self, folder: Path) -> None:
        tokenizers = needed("tokenizers", "networks", "reading text into tokens")
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise VocabularyError(f"{file}: no such file; expected a Hugging Face folder of a Whisper model")
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # whatever the library finds: it has no type of its own
            raise VocabularyError(f"{file} is no tokenizer ({error}); fetch it again") from None
        self._file = file
        config = _settings(folder / "config.json")
        self.bands = int(config.get("num_mel_bins", 80))
        self.rules = self._rules(config, config | _settings(folder / "generation_config.json"))

    def text(self, tokens: Sequence[int]) -> str:
        """What the tokens say; marks and times are left out."""
        said = [token for token in tokens if token < self.rules.end]
        return str(self._tokenizer.decode(said)).strip()

    def _rules(self, config: Mapping[str, Any], settings: Mapping[str, Any]) -> DecodingRules:
        end = self._mark("endoftext")
        start = ["startoftranscript", "notimestamps"]
        if config.get("vocab_size", 0) >= _MANY_LANGUAGES:
            start[1:1] = ["en", "transcribe"]
        listed = settings.get("suppress_tokens")
        first = settings.get("begin_suppress_tokens")
        return DecodingRules(
            start=tuple(map(self._mark, start)),
            end=end,
            suppressed=frozenset(self._sounds() if listed is None else listed),
            suppressed_first=frozenset([*self._tokens(" "), end] if first is None else first),
            most=int(config.get("max_target_positions", 448)) // 2,
        )

    def _mark(self, name: str) -> int:
        token = self._tokenizer.token_to_id(f"<|{name}|>")
        if token is None:
            raise VocabularyError(f"{self._file} has no token <|{name}|>; expected the tokenizer of a Whisper model")
        return int(token)

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _sounds(self) -> Iterator[int]:
        """Tokens that Whisper suppresses by default: marks, and what is no speech."""
        for name in _MARKS:
            if (token := self._tokenizer.token_to_id(f"<|{name}|>")) is not None:
                yield token
        yield self._tokens(" -")[0]
        yield self._tokens(" '")[0]
        for sound in (*_SOUNDS, *_NOTES):
            for tokens in (self._tokens(sound), self._tokens(f" {sound}")):
                if len(tokens) == 1 or sound in _NOTES:
                    yield tokens[0]


def _settings(path: Path) -> dict[str, Any]:
    """What a JSON file of a folder holds; nothing if it is not there."""
    if not path.is_file():
        return {}
    try:
        settings = from_json(path.read_bytes())
    except JsonError as error:
        raise VocabularyError(f"{path}: {error}") from None
    return settings if isinstance(settings, dict) else {}
