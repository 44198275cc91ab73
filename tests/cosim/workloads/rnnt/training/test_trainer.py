"""Training in small: it learns, repeats, goes on from where it stopped, and refuses another training's checkpoint."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from cosim.graph.errors import NetworkError  # noqa: E402
from cosim.system.checkpoint import CheckpointError  # noqa: E402
from cosim.workloads.kws.dataset import DatasetError  # noqa: E402
from cosim.workloads.rnnt.connected_words import join_audio, plan  # noqa: E402
from cosim.workloads.rnnt.network import LABELS, RnntNetwork, RnntShape  # noqa: E402
from cosim.workloads.rnnt.training import trainer as module  # noqa: E402
from cosim.workloads.rnnt.training.recipes import RECIPES  # noqa: E402
from cosim.workloads.rnnt.training.trainer import Trainer, train, transcripts  # noqa: E402
from cosim.workloads.rnnt.training.transducer import BLANK, Transducer  # noqa: E402
from cosim.workloads.training import DeviceError  # noqa: E402

torch.set_num_threads(1)
SMALL = replace(
    RECIPES["narrow"], shape=RnntShape(encoder=12, prediction=8, joint=8), steps=6, batch=4, warm_up=2, speech=0
)


@pytest.fixture(autouse=True)
def few_sentences(monkeypatch):
    monkeypatch.setattr(module, "VALIDATION", 4)


def quiet(_: str) -> None: ...


def same(one: RnntNetwork, other: RnntNetwork) -> bool:
    return all(np.array_equal(array, other.tensors[name]) for name, array in one.tensors.items())


def test_names_and_shapes_are_mlperfs():
    model = Transducer(SMALL.shape)
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == SMALL.shape.tensors


def test_training_learns_and_repeats(data):
    said: list[str] = []
    recipe = replace(SMALL, steps=30, learning_rate=1e-2)
    trainer = Trainer(data, recipe, 1, device="cpu", say=said.append)
    batch = trainer.validation[0]
    before = trainer.losses(batch)[0].item()
    trainer.run()
    assert trainer.losses(batch)[0].item() < 0.8 * before
    network = train(data, recipe, 1, device="cpu", say=quiet)
    assert same(network, trainer.export())
    assert not same(network, train(data, replace(recipe, steps=1), 1, device="cpu", say=quiet))
    assert network.card["seed"] == 1
    assert network.card["steps"] == 30
    assert network.card["settings"]["learning_rate"] == 1e-2
    assert 0 < network.card["validation"]["wer"] <= 30
    assert network.front_end == recipe.front_end


def test_interrupted_training_goes_on(data, tmp_path):
    whole = train(data, SMALL, 1, device="cpu", say=quiet)
    trainer = Trainer(data, SMALL, 1, device="cpu", say=quiet)
    learn = trainer._learn

    def interrupted(batch):
        if trainer.step == 4:
            raise KeyboardInterrupt
        return learn(batch)

    trainer._learn = interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.run(tmp_path, minutes=0)
    said: list[str] = []
    assert same(train(data, SMALL, 1, folder=tmp_path, device="cpu", say=said.append), whole)
    assert "resumed at step 4 of 6" in said


def test_other_trainings_are_not_gone_on_with(data, tmp_path):
    train(data, SMALL, 1, folder=tmp_path, device="cpu", say=quiet)
    for recipe, seed in ((SMALL, 2), (replace(SMALL, dropout=0.2), 1)):
        with pytest.raises(CheckpointError, match="other data, another recipe or seed"):
            train(data, recipe, seed, folder=tmp_path, device="cpu", say=quiet)
    with pytest.raises(CheckpointError, match="falls already, for 6 steps; --steps 6"):
        train(data, replace(SMALL, steps=8), 1, folder=tmp_path, device="cpu", say=quiet)
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match="no checkpoint of a training"):
        train(data, SMALL, 1, folder=tmp_path, device="cpu", say=quiet)


def test_a_training_may_become_longer_before_the_rate_falls(data, tmp_path):
    trainer = Trainer(data, replace(SMALL, steps=60), 1, device="cpu", say=quiet)
    trainer.save(tmp_path / "checkpoint.pt")
    longer = Trainer(data, replace(SMALL, steps=90), 1, device="cpu", say=quiet)
    longer.load(tmp_path / "checkpoint.pt")
    assert longer.recipe.rate(32) == longer.recipe.learning_rate > trainer.recipe.rate(40) > 0


def test_a_wider_network_starts_from_a_narrow_one(data):
    narrow = train(data, SMALL, 1, device="cpu", say=quiet)
    recipe = replace(SMALL, shape=RnntShape(encoder=20, prediction=9, joint=8), steps=1)
    wide = Trainer(data, recipe, 1, start=narrow, device="cpu", say=quiet)
    wide.network.eval()
    expected = Trainer(data, SMALL, 1, start=narrow, device="cpu", say=quiet)
    expected.network.eval()
    assert wide.export().card["start"] == narrow.card
    batch = wide.validation[0]
    assert wide.losses(batch)[0].item() == pytest.approx(expected.losses(batch)[0].item(), abs=1e-4)
    with pytest.raises(NetworkError, match="narrower"):
        Trainer(data, SMALL, 1, start=wide.export(), device="cpu", say=quiet)


def test_transcripts_are_the_likeliest_letters(clips):
    """A joint network that hears nothing and says after each letter the next one of the alphabet, blank after z."""
    shape = RnntShape(encoder=4, prediction=32, joint=29)
    tensors = {name: np.zeros(size, np.float32) for name, size in shape.tensors.items()}
    letters = len(LABELS)
    tensors["joint_net.3.weight"] = np.eye(29, dtype=np.float32)
    tensors["joint_net.3.bias"][BLANK] = 0.1
    tensors["prediction.embed.weight"][np.arange(letters), np.arange(letters)] = 1
    for layer in range(2):  # what comes in goes out: input and output gates open, nothing kept
        name = f"prediction.dec_rnn.lstm.%s_l{layer}"
        tensors[name % "weight_ih"][2 * 32 : 3 * 32] = 20 * np.eye(32)
        tensors[name % "bias_ih"][:] = np.repeat([20, -20, 0, 20], 32)
    following = np.zeros((29, 36), np.float32)
    following[np.arange(2, 27), 4 + np.arange(1, 26)] = 1  # after a comes b
    tensors["joint_net.0.weight"] = following
    tensors["joint_net.0.bias"][1] = 0.2  # first of all, and where nothing else is to be said, an a
    network = RnntNetwork(tensors, front_end=SMALL.front_end)
    sounds = [network.front_end(join_audio(clips.audio, sentence)) for sentence in plan(clips, 0, 2)]
    texts = transcripts(network, sounds)
    assert texts[0].startswith("abcdefghijklmnopqrstuvwxyza")
    assert [len(text) for text in texts] == [30 * -(-len(sound) // 2) for sound in sounds], "30 letters a step at most"


def test_data_without_speakers(data):
    with pytest.raises(DatasetError, match="words are not known"):
        train(replace(data, names=np.zeros(0, str)), SMALL, device="cpu", say=quiet)


def test_a_device_that_cannot_be_used(data):
    with pytest.raises(DeviceError, match="PyTorch cannot use the device 'toaster'"):
        train(data, SMALL, device="toaster", say=quiet)
