"""Models as others make them: PyTorch's two exporters, ONNX's classical networks, a trained speaker encoder."""

import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from cosim.graph.onnx import input_axes, read_onnx
from tests.cosim.graph.onnx.models import reference, same

#: Of PyTorch's exporters: one traces, one captures the graph and needs the package onnxscript.
EXPORTERS = [False, pytest.param(True, marks=pytest.mark.skipif(not find_spec("onnxscript"), reason="no onnxscript"))]


def networks(torch: Any, small: bool) -> dict[str, tuple[Any, Any, dict[int, str]]]:
    """By name: network, example, axes that are free."""
    nn = torch.nn

    class Recurrent(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, width: int) -> None:
            super().__init__()
            self.lstm = nn.LSTM(40, width, 2, batch_first=True)
            self.head = nn.Linear(width, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0])

    wide, state = (64, 32) if small else (1024, 512)
    width, heads, inner = (48, 4, 96) if small else (768, 12, 3072)
    mlp = (nn.Linear(784, wide), nn.ReLU(), nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, 10))
    convolutions = (nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
    convolutions += (nn.Conv2d(8, 16, 3, stride=2, groups=2), nn.ReLU(), nn.Conv2d(16, 16, 3, groups=16))
    cnn = (*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    encoder = nn.TransformerEncoderLayer(width, heads, inner, activation="gelu", batch_first=True)
    samples, frames = {0: "batch"}, {0: "batch", 1: "time"}
    return {
        "mlp": (nn.Sequential(*mlp), torch.randn(3, 784), samples),
        "cnn": (nn.Sequential(*cnn), torch.randn(2, 1, 28, 28), samples),
        "lstm": (Recurrent(state), torch.randn(2, 9, 40), frames),
        "encoder": (encoder, torch.randn(2, 7, width), frames),
    }


MATRICES = {
    "mlp": ["0", "2", "4"],
    "cnn": ["0", "4/0", "4/1", "9"],
    "lstm": ["lstm/input", "lstm/recurrent", "lstm_2/input", "lstm_2/recurrent", "head"],
    "encoder": ["self_attn/in_proj", "self_attn/out_proj", "linear1", "linear2"],
}


@pytest.mark.parametrize("small", [True, pytest.param(False, marks=pytest.mark.long)], ids=["small", "full"])
@pytest.mark.parametrize("captured", EXPORTERS, ids=["traced", "captured"])
@pytest.mark.parametrize("name", MATRICES)
def test_networks_of_pytorch(tmp_path: Path, name: str, captured: bool, small: bool) -> None:
    torch = pytest.importorskip("torch")
    if name == "encoder" and not captured:
        pytest.skip("PyTorch's tracing exporter cannot export its own layer: is_causal comes out as a tensor")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network, x, free = networks(torch, small)[name]
    network.eval()
    path = tmp_path / "m.onnx"
    dynamic = {"dynamic_shapes": ({at: torch.export.Dim(axis) for at, axis in free.items()},)} if captured else {}
    if not captured:
        dynamic = {"dynamic_axes": {"x": free}, "opset_version": 17}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters warn of themselves
        torch.onnx.export(network, (x,), path, dynamo=captured, input_names=["x"], verbose=False, **dynamic)
    graph = read_onnx(path)
    assert list(graph.linears) == MATRICES[name]
    assert input_axes(path) == {"x": x.ndim}
    for given in (x, x[:1]):
        with torch.no_grad():
            expected = network(given).numpy()
        found = graph.run({"x": given.numpy()}).outputs[graph.outputs[0]]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
        (other,) = reference(path, {"x": given.numpy()}, graph.outputs)
        np.testing.assert_allclose(found, other, rtol=1e-5, atol=1e-5)


@pytest.mark.long
@pytest.mark.parametrize("name", ["densenet121", "inception_v2", "resnet50", "shufflenet"])
def test_classical_networks_of_onnx(tmp_path: Path, name: str) -> None:
    """Their weights are made up: what counts are shapes and operators."""
    path = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx"
    made = onnx.load(path)
    (declared,) = {one.name for one in made.graph.input} - {one.name for one in made.graph.initializer}
    x = np.random.default_rng(0).uniform(0, 1, (1, 3, 224, 224)).astype(np.float32)
    graph = same(made, {declared: x}, tmp_path, every=False)
    assert len(graph.linears) >= 18


def test_a_trained_speaker_encoder() -> None:
    """Three LSTM layers, 768 wide, int8 weights behind DequantizeLinear: every step feeds the next one."""
    folder = os.environ.get("DURAMESH_DATA")
    if folder is None:
        pytest.skip("set DURAMESH_DATA to a folder with speaker_lstm to compare a trained network with onnxruntime")
    path = Path(folder) / "speaker_lstm" / "dvector_lstm768.onnx"
    graph = read_onnx(path)
    layers = [f"lstm{at}/{part}" for at in range(3) for part in ("input", "recurrent")]
    assert list(graph.linears) == [*layers, "proj"]
    assert sum(graph.linears[name].weights.size for name in layers) == 11_919_360
    assert input_axes(path) == {"mel_window": 3}
    # Like the logarithm of mel bands: it wanders from frame to frame.
    rng = np.random.default_rng(0)
    x = (-3 + 0.1 * rng.standard_normal((2, 80, 40)).cumsum(axis=1)).astype(np.float32)
    found = graph.run({"mel_window": x}).outputs["embedding"]
    (expected,) = reference(path, {"mel_window": x}, ["embedding"])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
