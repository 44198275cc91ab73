"""Vocabularies: marks, what is suppressed, text; and OpenAI's own where the data are at hand."""

import json
import os
from pathlib import Path

import pytest

from cosim.workloads.whisper.tokens import Vocabulary, VocabularyError

#: As published in openai/whisper-tiny.en, generation_config.json.
PUBLISHED = [1, 2, 7, 8, 9, 10, 14, 25, 26, 27, 28, 29, 31, 58, 59, 60, 61, 62, 63, 90, 91, 92, 93, 357, 366, 438, 532]
PUBLISHED += [685, 705, 796, 930, 1058, 1220, 1267, 1279, 1303, 1343, 1377, 1391, 1635, 1782, 1875, 2162, 2361, 2488]
PUBLISHED += [3467, 4008, 4211, 4600, 4808, 5299, 5855, 6329, 7203, 9609, 9959, 10563, 10786, 11420, 11709, 11907]
PUBLISHED += [13163, 13697, 13700, 14808, 15306, 16410, 16791, 17992, 19203, 19510, 20724, 22305, 22935, 27007, 30109]
PUBLISHED += [30420, 33409, 34949, 40283, 40493, 40549, 47282, 49146, 50257, 50357, 50358, 50359, 50360, 50361]


def write_json(path: Path, **settings) -> None:
    path.write_text(json.dumps(settings))


def test_rules_of_an_english_vocabulary(tmp_path, write_vocabulary):
    write_vocabulary(tmp_path)
    write_json(tmp_path / "config.json", vocab_size=51_864, max_target_positions=40)
    vocabulary = Vocabulary(tmp_path)
    rules = vocabulary.rules
    assert rules.start == (257, 264)
    assert (rules.end, rules.most) == (256, 20)
    dash, bracket, letter, space = (vocabulary._tokens(text)[0] for text in ("-", "(", "a", " "))
    assert bracket in rules.suppressed
    assert letter not in rules.suppressed
    assert dash not in rules.suppressed, "a dash may stand within a word"
    assert set(range(257, 264)) - {258} <= rules.suppressed, "marks, but for the languages, which are never heard"
    assert rules.suppressed_first == {space, 256}


def test_many_languages_are_told_which_and_what_to_do(tmp_path, write_vocabulary):
    write_vocabulary(tmp_path)
    write_json(tmp_path / "config.json", vocab_size=51_865)
    assert Vocabulary(tmp_path).rules.start == (257, 258, 260, 264)


def test_listed_tokens_are_taken_as_they_are(tmp_path, write_vocabulary):
    write_vocabulary(tmp_path)
    write_json(tmp_path / "config.json", suppress_tokens=[1], begin_suppress_tokens=[2])
    assert Vocabulary(tmp_path).rules.suppressed == {1}
    write_json(tmp_path / "generation_config.json", suppress_tokens=[3])
    rules = Vocabulary(tmp_path).rules
    assert (rules.suppressed, rules.suppressed_first, rules.most) == ({3}, {2}, 224)


def test_text_leaves_marks_out(tmp_path, write_vocabulary):
    write_vocabulary(tmp_path)
    vocabulary = Vocabulary(tmp_path)
    assert vocabulary.text([257, *vocabulary._tokens(" déjà vu "), 264, 300, 256]) == "déjà vu"


def test_refuses_what_is_no_vocabulary(tmp_path, write_vocabulary):
    with pytest.raises(VocabularyError, match=r"tokenizer.json: no such file; expected a Hugging Face folder"):
        Vocabulary(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(VocabularyError, match="is no tokenizer"):
        Vocabulary(tmp_path)
    write_vocabulary(tmp_path, ("endoftext", "startoftranscript"))
    with pytest.raises(VocabularyError, match=r"has no token <\|notimestamps\|>"):
        Vocabulary(tmp_path)
    write_vocabulary(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(VocabularyError, match=r"config\.json: no JSON"):
        Vocabulary(tmp_path)


def test_suppressed_tokens_are_the_published_ones():
    data = os.environ.get("DURAMESH_DATA")
    if not data:
        pytest.skip("set DURAMESH_DATA to a folder with whisper_tiny_en to compare with what is published")
    vocabulary = Vocabulary(Path(data) / "whisper_tiny_en")
    assert sorted(vocabulary.rules.suppressed) == PUBLISHED
    assert vocabulary.rules.start == (50257, 50362)
    assert (vocabulary.rules.end, vocabulary.rules.most) == (50256, 224)
    assert vocabulary.rules.suppressed_first == {220, 50256}
