"""Attention against onnxruntime's softmax of products, and PyTorch's."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.graph import NetworkError
from cosim.graph.operators.attention import Append, Attention
from tests.cosim.graph.reference import onnx_outputs

HEADS, QUERIES, KEYS, WIDTH = 2, 4, 6, 8


def drawn(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def arrays(queries: int = QUERIES, keys: int = KEYS) -> tuple[NDArray, NDArray, NDArray]:
    return drawn(queries, WIDTH), drawn(keys, WIDTH, seed=1), drawn(keys, 2 * WIDTH, seed=2)


def by_parts(q: NDArray, k: NDArray, v: NDArray, added: NDArray | None = None) -> NDArray:
    """Head by head, each product and softmax a node of onnxruntime."""
    heads = []
    for head in range(HEADS):
        a, b, c = (np.split(x, HEADS, axis=-1)[head] for x in (q, k, v))
        (scores,) = onnx_outputs("MatMul", a / np.float32(np.sqrt(WIDTH / HEADS)), np.ascontiguousarray(b.T))
        (weights,) = onnx_outputs("Softmax", scores if added is None else scores + added)
        heads += onnx_outputs("MatMul", weights, np.ascontiguousarray(c))
    return np.concatenate(heads, axis=-1)


def test_attention_is_what_its_parts_make() -> None:
    q, k, v = arrays()
    np.testing.assert_allclose(Attention(HEADS).run(q, k, v)[0], by_parts(q, k, v), rtol=0, atol=1e-6)


def test_a_mask_hides_keys_or_is_added() -> None:
    q, k, v = arrays()
    seen = np.random.default_rng(3).random((QUERIES, KEYS)) < 0.5
    seen[:, 0] = True
    added = np.where(seen, 0, -1e9).astype(np.float32)
    expected = by_parts(q, k, v, added)
    for mask in (seen, added):
        np.testing.assert_allclose(Attention(HEADS).run(q, k, v, mask)[0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("queries", [1, QUERIES, KEYS])
def test_causal_attention_lets_the_last_query_see_all(queries: int) -> None:
    q, k, v = arrays(queries)
    seen = np.tril(np.ones((KEYS, KEYS), np.bool_))[KEYS - queries :]
    expected = Attention(HEADS).run(q, k, v, seen)[0]
    np.testing.assert_array_equal(Attention(HEADS, causal=True).run(q, k, v)[0], expected)


def test_a_decoder_with_a_cache_gives_what_it_gives_at_once() -> None:
    q, k, v = arrays(KEYS)
    at_once = Attention(HEADS, causal=True).run(q, k, v)[0]
    keys, values = np.zeros((0, WIDTH), np.float32), np.zeros((0, 2 * WIDTH), np.float32)
    for at in range(KEYS):
        (keys,), (values,) = Append().run(keys, k[at : at + 1]), Append().run(values, v[at : at + 1])
        (step,) = Attention(HEADS, causal=True).run(q[at : at + 1], keys, values)
        np.testing.assert_allclose(step[0], at_once[at], rtol=0, atol=1e-6)


def test_attention_is_the_one_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    q, k, v = (drawn(3, KEYS, WIDTH, seed=seed) for seed in range(3))
    by_heads = [torch.from_numpy(x).view(3, KEYS, HEADS, -1).transpose(1, 2) for x in (q, k, v)]
    expected = torch.nn.functional.scaled_dot_product_attention(*by_heads, is_causal=True)
    ours = Attention(HEADS, causal=True).run(q, k, v)[0]
    np.testing.assert_allclose(ours, expected.transpose(1, 2).reshape(3, KEYS, WIDTH), rtol=0, atol=1e-6)


def test_operations_are_those_of_the_formula() -> None:
    q, k, v = arrays()
    pairs = QUERIES * KEYS
    expected = 2 * pairs * WIDTH + 2 * pairs * 2 * WIDTH + QUERIES * WIDTH + 5 * pairs * HEADS
    assert Attention(HEADS).operations(q, k, v) == expected
    assert Attention(HEADS).operations(q, k, v, np.ones((QUERIES, KEYS), np.bool_)) == expected + pairs * HEADS
    assert Append().operations(k, k) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Attention(0), "heads must be 1 or more"),
        (lambda: Attention(3).run(*arrays()), r"3 heads cannot share the columns of queries \(4, 8\)"),
        (lambda: Attention(2).run(*arrays()[:2]), "takes queries, keys, values, got 2 inputs"),
        (lambda: Attention(2).run(drawn(4, 8), drawn(4, 6), drawn(4, 8)), "expected queries"),
        (lambda: Attention(2).run(*arrays(keys=0)), "some query sees no key at all"),
        (lambda: Attention(2, causal=True).run(*arrays(keys=3)), "some query sees no key at all"),
        (lambda: Attention(2).run(*arrays(), np.zeros((QUERIES, KEYS), np.bool_)), "the mask hides all of them"),
        (lambda: Append().run(drawn(2, 3), drawn(2, 4)), r"expected \(..., S, width\) and"),
    ],
)
def test_what_does_not_fit_is_refused(call, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        call()
