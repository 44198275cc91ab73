"""From a pretrained encoder, or an ALBERT, to a folder with a network that was trained on a task."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import AlbertForSequenceClassification, AutoConfig, DistilBertModel

from analog_models.config import AnalogConfig
from cosim.calibration.expected import DeviceErrors
from cosim.files.archive import write_text
from cosim.files.json_text import to_json
from cosim.graph.hugging_face import read_text_model
from cosim.program import Mode
from cosim.workloads.albert.training.batches import Texts
from cosim.workloads.albert.training.recipes import Recipe
from cosim.workloads.albert.training.start import started
from cosim.workloads.albert.training.trainer import Noise, Trainer, TrainingError
from cosim.workloads.glue import TASKS, evaluated_split, read_split
from cosim.workloads.tokenizer import load_tokenizer

__all__ = ["train"]


def train(
    start: Path,
    root: Path,
    task_name: str,
    out: Path,
    recipe: Recipe,
    *,
    examples: int | None = None,
    seed: int = 0,
    noise_scale: float = 0.0,
    analog: AnalogConfig | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train a network on a task, and write it as a Hugging Face folder.

    Parameters
    ----------
    start : Path
        Folder of a DistilBERT, whose layers become a shared one, or of an ALBERT, which is tuned further.
    root : Path
        GLUE.
    task_name : str
        Of `TASKS`; classes, no values.
    out : Path
        Folder for the network, its card and checkpoints.
    recipe : Recipe
    examples : int, optional
        Of the training split; by default all.
    seed : int
        Of the head, the order of texts, and noise.
    noise_scale : float
        By which the errors of devices are multiplied that weights have in tuning.
    analog : AnalogConfig, optional
        Whose devices.

    Returns
    -------
    dict
        The card: recipe, seed, data, accuracy on the split that the task is evaluated on.
    """
    task = TASKS[task_name]
    if not task.classes:
        raise TrainingError(f"{task_name} has values and no classes; choose another task")
    labels = dict(enumerate(task.classes))
    start_digest = read_text_model(start).digest  # which also says what is wrong with the folder
    encoder = None
    if AutoConfig.from_pretrained(start).model_type == "albert":
        if recipe.distilled:
            raise TrainingError(
                f"{start} is an ALBERT, and this recipe learns the layers of a DistilBERT; choose another"
            )
        network = AlbertForSequenceClassification.from_pretrained(start, id2label=labels, ignore_mismatched_sizes=True)
    else:
        encoder = DistilBertModel.from_pretrained(start).eval()
        passes = recipe.tuned[-1].passes
        network = started(encoder, recipe.embedding, passes, recipe.start, labels, seed)
    passes = network.config.num_hidden_layers
    noise = _noise(noise_scale, analog or AnalogConfig())
    tokenizer = load_tokenizer(start)
    data = read_split(root, task, "train").chosen(examples, seed)
    judged = read_split(root, task, evaluated_split(root, task))
    trainer = Trainer(network, recipe, seed, out, encoder=encoder, noise=noise, say=say)
    torch.manual_seed(seed)
    trainer.train(Texts(data, tokenizer, recipe.longest))
    network.config.num_hidden_layers = passes
    accuracy = trainer.accuracy(Texts(judged, tokenizer, recipe.longest))
    say(f"accuracy {accuracy:.2%} of {judged.source}")
    network.save_pretrained(out)
    write_text(out / "tokenizer.json", (start / "tokenizer.json").read_text(encoding="utf-8"))
    card = {
        "task": task_name,
        "trained_on": data.source,
        "started_from": start.name,
        "start_digest": start_digest,
        "recipe": asdict(recipe),
        "noise": {"scale": noise_scale, **asdict(noise)},
        "seed": seed,
        "accuracy": {judged.source: accuracy},
        "digest": read_text_model(out).digest,
    }
    write_text(out / "training.json", to_json(card, indent=2) + "\n")
    return card


def _noise(scale: float, analog: AnalogConfig) -> Noise:
    """Of a weight on both pairs of devices, as ALBERT's are."""
    if not scale:
        return Noise()
    floor, share = DeviceErrors.of(analog).variances(Mode.BALANCED)
    return Noise(scale * floor**0.5, scale * share**0.5)
