"""GLUE's files, with and without a header, and what may be wrong with them."""

import numpy as np
import pytest

from cosim.cli.options import GLUE_TASKS
from cosim.workloads.glue import TASKS, GlueError, evaluated_split, read_split

SST, STS = TASKS["SST-2"], TASKS["STS-B"]
HEADER = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore"


@pytest.fixture
def root(tmp_path):
    for task in TASKS:
        (tmp_path / task).mkdir()
    (tmp_path / "SST-2/train.tsv").write_text('sentence\tlabel\na "good" one \t1\nbad\u2028one\t0\n')
    (tmp_path / "SST-2/dev.tsv").write_text("sentence\tlabel\nfine\t1\n")
    (tmp_path / "SST-2/test.tsv").write_text("index\tsentence\n0\twho knows\n")
    row = "\t".join(["7", "news", "x", "2012", "1", "none", "none", "A man.", "A woman.", "2.500"])
    (tmp_path / "STS-B/train.tsv").write_text(f"{row}\n{row}\n")
    (tmp_path / "STS-B/test.tsv").write_text(f"{HEADER}\r\n{row}\r\n")
    return tmp_path


def test_sentences_with_classes(root):
    examples = read_split(root, SST, "train")
    assert examples.source == "SST-2 train"
    assert examples.texts == (('a "good" one',), ("bad\u2028one",))
    assert examples.labels.tolist() == [1, 0]


def test_pairs_with_scores_with_and_without_a_header(root):
    without, with_header = read_split(root, STS, "train"), read_split(root, STS, "test")
    assert without.texts[0] == with_header.texts[0] == ("A man.", "A woman.")
    assert (len(without), len(with_header)) == (2, 1)
    assert with_header.labels.tolist() == [2.5]


def test_evaluated_is_what_has_labels(root):
    assert evaluated_split(root, SST) == "dev"
    assert evaluated_split(root, STS) == "test"
    (root / "STS-B/test.tsv").unlink()
    with pytest.raises(GlueError, match=r"neither test.tsv with a column 'score' nor dev.tsv; expected GLUE's own"):
        evaluated_split(root, STS)


def test_choice_is_of_the_seed(root):
    lines = "".join(f"sentence {number}\t{number % 2}\n" for number in range(40))
    (root / "SST-2/dev.tsv").write_text(f"sentence\tlabel\n{lines}")
    examples = read_split(root, SST, "dev")
    few, more = examples.chosen(4, 1), examples.chosen(9, 1)
    assert set(few.texts) < set(more.texts)
    assert few.texts != examples.chosen(4, 2).texts
    assert few.source == "SST-2 dev, 4 of 40 (seed 1)"
    assert [int(text.split()[1]) % 2 for (text,) in few.texts] == few.labels.tolist()
    assert examples.chosen(None, 0) is examples is examples.chosen(40, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentence\tlabel\na\t2\n", r"line 2: label is '2', expected a whole number from 0 to 1"),
        ("sentence\tlabel\na\t0.5\n", r"line 2: label is '0.5'"),
        ("sentence\tlabel\na\tnan\n", r"line 2: label is 'nan'"),
        ("sentence\tlabel\na\t1\nb\n", r"line 3: 1 column, expected 2"),
        ("sentence\tlabel\n", "holds no example"),
        ("index\tsentence\n0\ta\n", r"has columns index, sentence; expected sentence, label among them"),
        ("\n", "is empty"),
    ],
)
def test_refuses_damaged_files(root, text, message):
    (root / "SST-2/dev.tsv").write_text(text)
    with pytest.raises(GlueError, match=f"dev.tsv.*{message}"):
        read_split(root, SST, "dev")


def test_refuses_what_is_not_there_or_no_text(root):
    with pytest.raises(GlueError, match=r"STS-B/dev.tsv: no such file; expected GLUE's own files"):
        read_split(root, STS, "dev")
    (root / "SST-2/dev.tsv").write_bytes(b"sentence\tlabel\n\xff\t1\n")
    with pytest.raises(GlueError, match="cannot be read"):
        read_split(root, SST, "dev")
    assert np.isfinite(read_split(root, SST, "train").labels).all()


def test_commands_know_all_tasks():
    assert tuple(TASKS) == GLUE_TASKS


#: By task: a file, its header, a row, and what it says.
FILES = {
    "RTE": ("dev.tsv", "index sentence1 sentence2 label", "7 a b not_entailment", ("a", "b"), 1),
    "MRPC": ("msr_paraphrase_test.txt", "Quality #1_ID #2_ID #1_String #2_String", "1 5 6 a b", ("a", "b"), 1),
    "CoLA": ("dev.tsv", "", "gj04 0 * The_car_honked.", ("The car honked.",), 0),
    "QNLI": ("dev.tsv", "index question sentence label", "0 a? b entailment", ("a?", "b"), 0),
    "QQP": ("dev.tsv", "id qid1 qid2 question1 question2 is_duplicate", "0 1 2 a? b? 1", ("a?", "b?"), 1),
    "MNLI": ("dev_matched.tsv", "index sentence1 sentence2 gold_label", "0 a b contradiction", ("a", "b"), 2),
}


@pytest.mark.parametrize("task", FILES)
def test_every_task_s_own_files(tmp_path, task):
    name, *lines, texts, label = FILES[task]
    (tmp_path / task).mkdir()
    words = {"is_duplicate", "not_entailment", "gold_label"}
    rows = ["\t".join(w if w in words else w.replace("_", " ") for w in line.split()) for line in lines if line]
    (tmp_path / task / name).write_text("\ufeff" + "\n".join(rows) + "\n", encoding="utf-8")
    examples = read_split(tmp_path, TASKS[task], evaluated_split(tmp_path, TASKS[task]))
    assert (examples.texts, examples.labels.tolist()) == ((texts,), [label])


def test_classes_are_named_in_messages(tmp_path):
    (tmp_path / "RTE").mkdir()
    (tmp_path / "RTE/dev.tsv").write_text("index\tsentence1\tsentence2\tlabel\n0\ta\tb\tmaybe\n")
    with pytest.raises(GlueError, match="'maybe', expected a whole number from 0 to 1 or entailment, not_entailment"):
        read_split(tmp_path, TASKS["RTE"], "dev")
