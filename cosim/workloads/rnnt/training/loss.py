"""The transducer's loss: how unlikely a network finds a transcript, over all alignments with the sound.

Source: A. Graves, "Sequence Transduction with Recurrent Neural Networks", arXiv:1211.3711, section 2.4.
"""

import torch
from torch import Tensor

__all__ = ["transducer_loss"]

_NEVER = -1e30  # logarithm of a probability; finite, because the gradient of minus infinity is none


def transducer_loss(logits: Tensor, labels: Tensor, steps: Tensor, lengths: Tensor, blank: int) -> Tensor:
    """Negative logarithm of the probability of each transcript, (batch,).

    Cells (step t, symbols u so far) of one diagonal t + u depend on the diagonal before only, so that a whole diagonal
    of a whole batch is computed at once.

    Parameters
    ----------
    logits : (batch, T, U + 1, symbols)
        Of the joint network after u symbols, at step t.
    labels : (batch, U) int64
        Transcripts, padded with anything that is a symbol.
    steps, lengths : (batch,) int64
        True numbers of steps, 1 ... T, and of symbols, 0 ... U.
    blank : int
        The symbol that ends a step.
    """
    batch, frames, rows, _ = logits.shape
    logp = logits.log_softmax(-1)
    stay = logp[..., blank]
    symbol = labels[:, None, :, None].expand(-1, frames, -1, 1)
    emit = logp[:, :, :-1].gather(3, symbol).squeeze(3)
    emit = torch.cat([emit, emit.new_full((batch, frames, 1), _NEVER)], 2)  # no symbol after the last

    # Skewed: diagonal n, column u holds cell (t = n - u, u).
    diagonals = torch.arange(frames + rows - 1, device=logits.device)[:, None]
    columns = torch.arange(rows, device=logits.device)
    time = diagonals - columns
    inside = (time >= 0) & (time < frames)
    place = time.clamp(0, frames - 1), columns.expand_as(time)
    stay = stay[:, *place].masked_fill(~inside, _NEVER).unbind(1)
    emit = emit[:, *place].masked_fill(~inside, _NEVER).unbind(1)

    alpha = torch.full_like(stay[0], _NEVER)
    alpha = torch.cat([torch.zeros_like(alpha[:, :1]), alpha[:, 1:]], 1)
    reached = [alpha]
    for n in range(len(stay) - 1):
        moved = torch.cat([alpha.new_full((batch, 1), _NEVER), (alpha + emit[n])[:, :-1]], 1)
        alpha = torch.logaddexp(alpha + stay[n], moved)
        reached.append(alpha)
    every, last = torch.arange(batch, device=logits.device), steps - 1 + lengths
    return -(torch.stack(reached)[last, every, lengths] + torch.stack(stay)[last, every, lengths])
