"""The transducer as PyTorch trains it: MLPerf's topology, and tensors of its names and shapes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from cosim.workloads.rnnt.network import LABELS, POST, PRE, PREDICTION, RnntShape

__all__ = ["BLANK", "Transducer", "symbols_of"]

BLANK = len(LABELS)
MOST_SYMBOLS = 30  # of a step, in greedy decoding: the reference's


def symbols_of(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Texts as labels, (batch, longest) padded with zeros, and their lengths, (batch,)."""
    symbols = [torch.tensor([LABELS.index(letter) for letter in text]) for text in texts]
    return pad_sequence(symbols, batch_first=True), torch.tensor([len(row) for row in symbols])


def _begin(lstm: nn.LSTM) -> None:
    """First weights of LSTMs one above the other, so that signals and gradients pass all of them.

    PyTorch's own are so small that five layers learn nothing for hundreds of steps. States are around 1/4, hence inputs
    of a higher layer count double; gates forget little at first.
    """
    for name, weight in lstm.named_parameters():
        kind, width = name.partition("_l")[0], lstm.hidden_size
        if kind == "weight_hh":
            for gate in weight.detach().split(width):
                nn.init.orthogonal_(gate)
        elif kind == "weight_ih":
            nn.init.normal_(weight, std=(2.0 if weight.shape[1] % width == 0 else 1.0) / weight.shape[1] ** 0.5)
        else:
            nn.init.zeros_(weight)
            if kind == "bias_ih":
                nn.init.ones_(weight.detach()[width : 2 * width])


class _Lstm(nn.Module):
    """LSTMs one above the other, under the name that MLPerf's tensors have."""

    def __init__(self, inputs: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, width, layers, batch_first=True, dropout=dropout)


class Encoder(nn.Module):
    """(batch, steps, features) and true numbers of steps, (batch,) -> (batch, steps / stack, encoder)."""

    def __init__(self, shape: RnntShape, dropout: float) -> None:
        super().__init__()
        self.stack = shape.stack
        self.pre_rnn = _Lstm(shape.features, shape.encoder, PRE, dropout)
        self.post_rnn = _Lstm(shape.stack * shape.encoder, shape.encoder, POST, dropout)
        self.dropout = nn.Dropout(dropout)

    def stacked(self, x: Tensor, steps: Tensor) -> Tensor:
        """Of the LSTMs before the stacking: (batch, steps / stack, stack * encoder)."""
        y, _ = self.pre_rnn.lstm(x)
        # Behind the end there is nothing: what is stacked with the last step is zero, as in a batch of one.
        y = y * (torch.arange(y.shape[1], device=y.device) < steps[:, None])[..., None]
        y = functional.pad(y, (0, 0, 0, -y.shape[1] % self.stack))
        return self.dropout(y).reshape(len(y), -1, self.stack * y.shape[2])

    def forward(self, x: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Output, and what it was made of."""
        stacked = self.stacked(x, steps)
        return self.dropout(self.post_rnn.lstm(stacked)[0]), stacked


class Prediction(nn.Module):
    """(batch, U) labels -> (batch, U + 1, prediction): what follows from the first u labels."""

    def __init__(self, shape: RnntShape, dropout: float) -> None:
        super().__init__()
        self.embed = nn.Embedding(shape.labels - 1, shape.prediction)
        self.dec_rnn = _Lstm(shape.prediction, shape.prediction, PREDICTION, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, labels: Tensor) -> Tensor:
        start = functional.pad(self.embed(labels), (0, 0, 1, 0))
        return self.dropout(self.dec_rnn.lstm(start)[0])


class Transducer(nn.Module):
    """An RNN-T of any widths; its state has the names of `RnntShape.tensors`."""

    def __init__(self, shape: RnntShape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape, dropout)
        self.prediction = Prediction(shape, dropout)
        # MLPerf drops out here, too: of what is computed once for every step and every letter.
        layers = nn.Linear(shape.encoder + shape.prediction, shape.joint), nn.ReLU(), nn.Identity()
        self.joint_net = nn.Sequential(*layers, nn.Linear(shape.joint, shape.labels))
        for lstm in (self.encoder.pre_rnn, self.encoder.post_rnn, self.prediction.dec_rnn):
            _begin(lstm.lstm)

    def joint(self, heard: Tensor, said: Tensor) -> Tensor:
        """Logits of (..., encoder) and (..., prediction), which are multiplied before they meet: that saves most."""
        first, width = self.joint_net[0], self.shape.encoder
        hidden = functional.linear(heard, first.weight[:, :width], first.bias)
        hidden = hidden + functional.linear(said, first.weight[:, width:])
        return self.joint_net[1:](hidden)

    def forward(self, x: Tensor, steps: Tensor, labels: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits of every step after every number of labels, (batch, T, U + 1, labels), and what the encoder gave."""
        encoded = self.encoder(x, steps)
        return self.joint(encoded[0][:, :, None], self.prediction(labels)[:, None]), encoded

    @torch.no_grad()
    def transcribe(self, x: Tensor, steps: Tensor) -> list[str]:
        """Greedy transcripts of a batch: (batch, steps, features), true numbers of steps (batch,)."""
        (heard, _), lstm = self.encoder(x, steps), self.prediction.dec_rnn.lstm
        said, (state, memory) = lstm(torch.zeros(len(x), 1, self.shape.prediction, device=x.device))
        texts = [""] * len(x)
        ends = -(-steps // self.shape.stack)
        for step in range(heard.shape[1]):
            going = ends > step
            for _ in range(MOST_SYMBOLS):
                chosen = self.joint(heard[:, step], said[:, 0]).argmax(1)
                going = going & (chosen != BLANK)
                rows = going.nonzero()[:, 0]
                if not len(rows):
                    break
                for row in rows.tolist():
                    texts[row] += LABELS[chosen[row]]
                embedded = self.prediction.embed(chosen[rows])[:, None]
                said[rows], (state[:, rows], memory[:, rows]) = lstm(embedded, (state[:, rows], memory[:, rows]))
        return texts
