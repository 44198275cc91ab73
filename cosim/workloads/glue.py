"""Tasks of GLUE, from its own files: sentences, or pairs of them, with labels.

Source: A. Wang et al., "GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding",
arXiv:1804.07461; each task's data have authors and licences of their own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.files.errors import UserError
from cosim.files.wording import counted

__all__ = ["TASKS", "Examples", "GlueError", "Task", "evaluated_split", "read_split"]


class GlueError(UserError, ValueError):
    """A folder or file of GLUE cannot be used; the message says what was expected where."""


@dataclass(frozen=True)
class Task:
    """How a task's files are laid out, and what is measured.

    Members
    -------
    name : str
        As GLUE calls it, and its folder.
    sentences : tuple of str
        Columns of the header that hold text.
    label : str
        Column of the label.
    metrics : tuple of str
        Of `cosim.workloads.metrics.METRICS`, the one that the task is ranked by first.
    classes : tuple of str
        Names of labels 0, 1, ... as files and fine-tuned networks have them; none where labels are numbers from
        `lowest` to `highest`.
    lowest, highest : float
    bare : tuple of int
        In files without a header: number of columns, then the places of text and label.
    files : mapping of str to str
        Other names of a split's file.
    """

    name: str
    sentences: tuple[str, ...]
    label: str
    metrics: tuple[str, ...]
    classes: tuple[str, ...] = ()
    lowest: float = 0.0
    highest: float = 5.0
    bare: tuple[int, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def path(self, root: Path, split: str) -> Path:
        """File of a split: GLUE's own name, or the other one where only that is there."""
        own, other = (root / self.name / name for name in (f"{split}.tsv", self.files.get(split, f"{split}.tsv")))
        return other if other.is_file() and not own.is_file() else own


_PAIR = ("sentence1", "sentence2")
_ENTAILMENT = ("entailment", "not_entailment")
_MATCHED = {"dev": "dev_matched.tsv"}
#: The microsoft corpus as its authors give it, which GLUE's scripts make train, dev and test of.
_CORPUS = {"train": "msr_paraphrase_train.txt", "test": "msr_paraphrase_test.txt"}

TASKS = {
    task.name: task
    for task in (
        Task("RTE", _PAIR, "label", ("accuracy",), _ENTAILMENT),
        Task(
            "MRPC",
            ("#1 String", "#2 String"),
            "Quality",
            ("f1", "accuracy"),
            ("not_equivalent", "equivalent"),
            files=_CORPUS,
        ),
        Task("CoLA", ("sentence",), "label", ("matthews", "accuracy"), ("unacceptable", "acceptable"), bare=(4, 3, 1)),
        Task("SST-2", ("sentence",), "label", ("accuracy",), ("negative", "positive"), bare=(2, 0, 1)),
        Task("QNLI", ("question", "sentence"), "label", ("accuracy",), _ENTAILMENT),
        Task("QQP", ("question1", "question2"), "is_duplicate", ("f1", "accuracy"), ("not_duplicate", "duplicate")),
        Task("MNLI", _PAIR, "gold_label", ("accuracy",), ("entailment", "neutral", "contradiction"), files=_MATCHED),
        Task("STS-B", _PAIR, "score", ("pearson", "spearman"), bare=(10, 7, 8, 9)),
    )
}


@dataclass(frozen=True)
class Examples:
    """Labelled examples of a task.

    Members
    -------
    source : str
        Task and file, for people.
    texts : tuple of tuple of str
        One or two sentences each.
    labels : (examples,) float64
    """

    source: str
    texts: tuple[tuple[str, ...], ...]
    labels: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.texts)

    def chosen(self, count: int | None, seed: int) -> "Examples":
        """The first `count` of a seeded shuffle, in the order of the file; all of them without a count."""
        if count is None or count >= len(self):
            return self
        return self._some(np.random.default_rng(seed).permutation(len(self))[:count], seed)

    def parted(self, count: int, others: int, seed: int) -> tuple["Examples", "Examples"]:
        """The first `count` of a seeded shuffle, as `chosen`, and the next `others`."""
        order = np.random.default_rng(seed).permutation(len(self))
        return self._some(order[:count], seed), self._some(order[count : count + others], seed)

    def _some(self, chosen: NDArray[np.int64], seed: int) -> "Examples":
        rows = np.sort(chosen)
        source = f"{self.source}, {len(rows):,} of {len(self):,} (seed {seed})"
        return Examples(source, tuple(self.texts[row] for row in rows), self.labels[rows])


def evaluated_split(root: Path, task: Task) -> str:
    """The split that a task is evaluated on: "test" where its labels are there, as in some copies, otherwise "dev".

    Raises
    ------
    GlueError
        If neither file is there.
    """
    for split in ("test", "dev"):
        path = task.path(root, split)
        if path.is_file() and (split == "dev" or task.label in _rows(path)[0]):
            return split
    raise GlueError(f"{root / task.name}: neither test.tsv with a column {task.label!r} nor dev.tsv; {_EXPECTED}")


_EXPECTED = "expected GLUE's own files, a folder a task with train.tsv, dev.tsv"


def read_split(root: Path, task: Task, split: str) -> Examples:
    """Examples of one file of a task.

    Parameters
    ----------
    root : Path
        The folder of all tasks.
    task : Task
    split : str
        "train", "dev" or "test"; GLUE's own test files have no labels.

    Raises
    ------
    GlueError
        If the file is missing or damaged, has no labels, or a label out of range.
    """
    path = task.path(root, split)
    if not path.is_file():
        raise GlueError(f"{path}: no such file; {_EXPECTED}")
    rows = _rows(path)
    header = rows[0]
    wanted = (*task.sentences, task.label)
    if set(wanted) <= set(header):
        places, first = [header.index(name) for name in wanted], 1
    elif "index" in header or set(task.sentences) & set(header) or task.bare[:1] != (len(header),):
        raise GlueError(f"{path} has columns {', '.join(header)[:90]}; expected {', '.join(wanted)} among them")
    else:
        places, first = list(task.bare[1:]), 0
    texts, labels = [], []
    for number, row in enumerate(rows[first:], first + 1):
        if len(row) != len(header):
            raise GlueError(
                f"{path}, line {number}: {counted(len(row), 'column')}, expected {len(header)}; fetch the file again"
            )
        *sentences, label = (row[place] for place in places)
        texts.append(tuple(text.strip() for text in sentences))
        labels.append(_label(task, label, f"{path}, line {number}"))
    if not texts:
        raise GlueError(f"{path} holds no example; fetch it again")
    return Examples(f"{task.name} {split}", tuple(texts), np.array(labels))


def _rows(path: Path) -> list[list[str]]:
    """Cells by line: GLUE quotes nothing, so that a quotation mark is one."""
    return list(_cells(path))


def _cells(path: Path) -> Iterator[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise GlueError(f"{path} cannot be read ({error}); fetch it again") from None
    lines = text.split("\n")  # other separators of lines may stand in a sentence
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise GlueError(f"{path} is empty; fetch it again")
    yield from (line.rstrip("\r").split("\t") for line in lines)


def _label(task: Task, text: str, where: str) -> float:
    if text in task.classes:
        return float(task.classes.index(text))
    try:
        label = float(text)
    except ValueError:
        label = float("nan")
    low, high = (0, len(task.classes) - 1) if task.classes else (task.lowest, task.highest)
    if not low <= label <= high or (task.classes and label % 1):
        names = f" or {', '.join(task.classes)}" if task.classes else ""
        kind = "a whole number" if task.classes else "a number"
        raise GlueError(f"{where}: {task.label} is {text[:20]!r}, expected {kind} from {low:g} to {high:g}{names}")
    return label
