"""The transducer's loss against the sum over all alignments."""

from itertools import combinations

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from cosim.workloads.rnnt.training.loss import transducer_loss  # noqa: E402

BLANK, SYMBOLS = 3, 4
torch.set_num_threads(1)


def over_all_alignments(logits, labels):
    """(T, U + 1, symbols), (U,): minus the logarithm of the sum over every order of T - 1 blanks and U labels."""
    steps, rows, _ = logits.shape
    logp = logits.log_softmax(-1)
    moves, paths = steps - 1 + rows - 1, []
    for places in combinations(range(moves), rows - 1):
        t = u = 0
        total = logp.new_zeros(())
        for move in range(moves):
            if move in places:
                total, u = total + logp[t, u, labels[u]], u + 1
            else:
                total, t = total + logp[t, u, BLANK], t + 1
        paths.append(total + logp[t, u, BLANK])
    return -torch.logsumexp(torch.stack(paths), 0)


def test_loss_and_gradient_of_sentences_of_several_lengths():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 5, 4, SYMBOLS, dtype=torch.float64, generator=generator, requires_grad=True)
    labels = torch.randint(0, BLANK, (4, 3), generator=generator)
    steps, lengths = torch.tensor([5, 2, 1, 4]), torch.tensor([3, 0, 2, 1])
    loss = transducer_loss(logits, labels, steps, lengths, BLANK)
    expected = torch.stack([over_all_alignments(logits[b, : steps[b], : lengths[b] + 1], labels[b]) for b in range(4)])
    assert torch.allclose(loss, expected, atol=1e-12)
    (found,) = torch.autograd.grad(loss.sum(), logits, retain_graph=True)
    (wanted,) = torch.autograd.grad(expected.sum(), logits)
    assert torch.allclose(found, wanted, atol=1e-12)


def test_loss_of_a_certain_transcript_is_nothing():
    logits = torch.full((1, 2, 2, SYMBOLS), -100.0)
    logits[0, 0, 0, 1] = logits[0, 0, 1, BLANK] = logits[0, 1, 1, BLANK] = 100.0
    loss = transducer_loss(logits, torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1]), BLANK)
    assert loss.item() == pytest.approx(0, abs=1e-6)


def test_long_sentences_keep_their_precision():
    logits = torch.zeros(1, 200, 61, SYMBOLS, requires_grad=True)
    loss = transducer_loss(
        logits, torch.zeros(1, 60, dtype=torch.int64), torch.tensor([200]), torch.tensor([60]), BLANK
    )
    # Every alignment is equally likely: 4^-260, and there are as many as ways to choose 60 of 259 moves.
    ways = torch.lgamma(torch.tensor([260.0, 61.0, 200.0], dtype=torch.float64))
    assert loss.item() == pytest.approx(
        float(260 * torch.log(torch.tensor(4.0)) - (ways[0] - ways[1] - ways[2])), rel=1e-5
    )
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert torch.isfinite(gradient).all()
