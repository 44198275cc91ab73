"""A shared layer from the layers of a small DistilBERT: where it starts, how it learns, what comes out."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.files.errors import UserError
from cosim.graph.hugging_face import read_text_model
from cosim.workloads.albert.training.recipes import RECIPES, Recipe, Stage
from cosim.workloads.glue import TASKS
from tests.cosim.graph.hugging_face.tiny import write_folder
from tests.cosim.workloads.albert.conftest import write_tokenizer

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")

SHORT = Recipe(
    distilled=(Stage(3, 2, 1e-3, 1e-3, 8),),
    tuned=(Stage(4, 1, 1e-3, 1e-3, 8), Stage(60, 2, 1e-2, 1e-2, 8)),
    embedding=8,
    longest=16,
)
RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    folder = write_folder(tmp_path / "encoder", "distilbert")
    write_tokenizer(folder)
    return folder


def train(encoder: Path, root: Path, out: Path, recipe: Recipe = SHORT, **options: object) -> dict:
    from cosim.workloads.albert.training.train import train

    said: list[str] = []
    card = train(encoder, root, "SST-2", out, recipe, say=said.append, **options)  # type: ignore[arg-type]
    return card | {"said": said}


def test_starts_as_the_encoder_s_layers(encoder: Path) -> None:
    from cosim.workloads.albert.training.start import started

    theirs = transformers.DistilBertModel.from_pretrained(encoder)
    for start in (None, 1):
        made = started(theirs, 8, 3, start, {0: "negative", 1: "positive"}, 0)
        shared = made.albert.encoder.albert_layer_groups[0].albert_layers[0]
        layers = theirs.transformer.layer if start is None else [theirs.transformer.layer[start]]
        mean = torch.stack([layer.ffn.lin1.weight for layer in layers]).mean(0)
        assert torch.equal(shared.ffn.weight, mean)
    tokens = torch.randint(30, (50, 6), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours = made.albert.encoder.embedding_hidden_mapping_in(made.albert.embeddings(tokens))
        embedded = theirs.embeddings(tokens)
    assert (ours - embedded).square().mean() < 0.6 * embedded.square().mean(), "8 of 12 directions"


def test_many_small_passes_do_what_few_large_ones_did(encoder: Path) -> None:
    from cosim.workloads.albert.training.deepening import deepen
    from cosim.workloads.albert.training.start import started

    made = started(transformers.DistilBertModel.from_pretrained(encoder), 8, 1, 0, {0: "no", 1: "yes"}, 0)
    layer = made.albert.encoder.albert_layer_groups[0].albert_layers[0]
    tokens = torch.randint(30, (5, 6), generator=torch.Generator().manual_seed(1))

    def states(passes: int) -> torch.Tensor:
        made.config.num_hidden_layers = passes
        return made.albert(tokens).last_hidden_state

    with torch.no_grad():
        for name in ("attention.dense", "ffn_output"):
            for parameter in layer.get_submodule(name).parameters():
                parameter.div_(100)  # ways are straight over small steps
        for name in ("attention.LayerNorm", "full_layer_layer_norm"):
            layer.get_submodule(name).weight.fill_(1.0)
            layer.get_submodule(name).bias.fill_(0.0)
        before, after = states(1), states(2)
        far = (states(8) - after).norm()
        deepen(layer, 4)
        near = (states(8) - after).norm()
        assert near < 0.2 * far
        assert near < 0.5 * (after - before).norm()
        norm = layer.full_layer_layer_norm
        norm.weight[0], norm.weight[1], norm.bias[0] = 1.21, -1.21, 0.5
        deepen(layer, 2)
        assert (*norm.weight[:2].tolist(), norm.bias[0].item()) == pytest.approx((1.1, -1.1, 0.25))


def test_learns_and_writes_a_folder(encoder: Path, small_glue: Path, tmp_path: Path) -> None:
    card = train(encoder, small_glue, tmp_path / "out")
    assert card["accuracy"]["SST-2 dev"] >= 0.75, "one half by chance"
    assert (card["task"], card["trained_on"], card["seed"]) == ("SST-2", "SST-2 train", 0)
    graph = read_text_model(tmp_path / "out")
    assert card["digest"] == graph.digest == json.loads((tmp_path / "out/training.json").read_text())["digest"]
    assert len(graph.linears) == 2 * 6 + 3, "two passes, as in the last stage"
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["id2label"] == dict(zip("01", TASKS["SST-2"].classes, strict=True))


def test_an_interrupted_run_ends_as_the_other(
    encoder: Path, small_glue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a stage: batches, rates and noise go on; what is left is rounding, different from run to run."""
    from cosim.workloads.albert.training import trainer

    recipe = Recipe(tuned=(Stage(3, 1, batch=8), Stage(10, 2, 1e-3, 1e-3, 8)), embedding=8, longest=16)
    noise = {"noise_scale": 1.0, "analog": AnalogConfig()}
    train(encoder, small_glue, tmp_path / "whole", recipe, **noise)
    keep = trainer.Trainer._keep

    def interrupted(self: trainer.Trainer, stage: int, batch: int, optimiser: object) -> None:
        keep(self, stage, batch, optimiser)
        if (stage, batch) == (1, 5):
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "_SECONDS", -1.0)  # a checkpoint after every batch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.Trainer, "_keep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(encoder, small_glue, tmp_path / "parts", recipe, **noise)
    again = train(encoder, small_glue, tmp_path / "parts", recipe, **noise)
    assert "goes on at stage 1, batch 5" in again["said"]
    assert again["noise"]["scale"] == 1.0
    assert again["noise"]["floor"] > 0
    ours, theirs = (read_text_model(tmp_path / name).matrices for name in ("parts", "whole"))
    for name, linear in ours.items():
        assert np.abs(linear.weights - theirs[name].weights).mean() < 1e-4, name


def test_noise_is_a_share_of_the_column_s_largest_weight() -> None:
    from cosim.workloads.albert.training.trainer import Noise

    weights = torch.ones(4, 2000)
    weights[:, 1:] = 0
    weights[2] *= 3
    noisy = Noise(0.1).on(weights, torch.Generator().manual_seed(0))
    assert (noisy - weights).std(1).numpy() == pytest.approx([0.1, 0.1, 0.3, 0.1], rel=0.1)


def test_refuses_another_recipe_s_checkpoint_and_values(encoder: Path, small_glue: Path, tmp_path: Path) -> None:
    from cosim.workloads.albert.training.train import train as run
    from cosim.workloads.albert.training.trainer import TrainingError

    tiny = Recipe(tuned=(Stage(2, 2, batch=4),), embedding=8)
    train(encoder, small_glue, tmp_path / "out", tiny)
    with pytest.raises(TrainingError, match="is of another recipe, noise or seed"):
        train(encoder, small_glue, tmp_path / "out", tiny, seed=1)
    with pytest.raises(TrainingError, match="STS-B has values and no classes"):
        run(encoder, small_glue, "STS-B", tmp_path / "other", tiny)
    with pytest.raises(UserError, match=r"config\.json is missing"):
        run(small_glue, small_glue, "SST-2", tmp_path / "other", tiny)


def test_recipes_end_with_all_passes() -> None:
    for recipe in RECIPES.values():
        assert recipe.tuned[-1].passes == 12
