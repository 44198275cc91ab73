"""RNN-T in PyTorch as the reference implementation's formulas have it, for comparison."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.workloads.rnnt.network import RnntNetwork


class Reference:
    """Encoder, prediction and joint network of torch.nn's own layers, and the reference's greedy loop.

    Source: mlcommons/inference, speech_recognition/rnnt/pytorch (`model_separable_rnnt.py`, `decoders.py`).
    """

    def __init__(self, network: RnntNetwork) -> None:
        import torch

        torch.set_num_threads(1)
        self.torch, shape = torch, network.shape
        nn = torch.nn
        self.pre = nn.LSTM(shape.features, shape.encoder, 2)
        self.post = nn.LSTM(shape.stack * shape.encoder, shape.encoder, 3)
        self.embed = nn.Embedding(shape.labels - 1, shape.prediction)
        self.dec = nn.LSTM(shape.prediction, shape.prediction, 2)
        self.joint = nn.Sequential(
            nn.Linear(shape.encoder + shape.prediction, shape.joint),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(shape.joint, shape.labels),
        ).eval()
        self.stack, self.blank = shape.stack, shape.labels - 1
        for prefix, module in (
            ("encoder.pre_rnn.lstm.", self.pre),
            ("encoder.post_rnn.lstm.", self.post),
            ("prediction.embed.", self.embed),
            ("prediction.dec_rnn.lstm.", self.dec),
            ("joint_net.", self.joint),
        ):
            own = {
                name.removeprefix(prefix): torch.from_numpy(array.copy())
                for name, array in network.tensors.items()
                if name.startswith(prefix)
            }
            module.load_state_dict(own)

    def encoded(self, features: NDArray) -> Any:
        torch = self.torch
        x = torch.from_numpy(np.array(features))[:, None]
        x, _ = self.pre(x)
        more = (-len(x)) % self.stack
        x = torch.cat([x, torch.zeros(more, 1, x.shape[2])])
        x = x.transpose(0, 1).reshape(1, len(x) // self.stack, -1).transpose(0, 1)
        return self.post(x)[0][:, 0]

    def predicted(self, symbol: int | None, hidden: Any) -> tuple[Any, Any]:
        torch = self.torch
        silence = torch.zeros(1, 1, self.embed.embedding_dim)
        y = silence if symbol is None else self.embed(torch.tensor([[symbol]]))
        g, hidden = self.dec(y, hidden)
        return g[0, 0], hidden

    def greedy(self, features: NDArray, most: int = 30) -> tuple[list[int], list[NDArray]]:
        """Labels, and the logits of every decision."""
        labels: list[int] = []
        logits, hidden = [], None
        with self.torch.no_grad():
            for f in self.encoded(features):
                for _ in range(most):
                    g, after = self.predicted(labels[-1] if labels else None, hidden)
                    scores = self.joint(self.torch.cat([f, g]))
                    logits.append(scores.numpy())
                    best = int(scores.argmax())
                    if best == self.blank:
                        break
                    labels.append(best)
                    hidden = after
        return labels, logits
