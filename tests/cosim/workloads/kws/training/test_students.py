"""The student: noise in training has the statistics of the chip's weight errors."""

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from cosim.workloads.kws.training.recipes import Recipe  # noqa: E402
from cosim.workloads.kws.training.students import Student  # noqa: E402


def test_noise_of_training_is_the_noise_of_weights():
    """A MAC's error drawn per clip has the variance that errors of the single weights give."""
    torch.manual_seed(0)
    student = Student((64, 4000))
    x = torch.rand(2, 64) - 0.5
    student.measure(x, Recipe())
    error = student(x, Recipe(weight_noise=0.05, activation_noise=0.0)) - student(x)
    expected = 0.05 * student.weights[0].abs().max() * x.norm(dim=1)
    assert error.std(dim=1).detach().numpy() == pytest.approx(expected.detach().numpy(), rel=0.05)


def test_processors_multiply_in_float32():
    """Most of them take many times as long in bfloat16, whose error would be a thousand times that allowed here."""
    torch.manual_seed(0)
    student = Student((64, 40))
    x = torch.rand(3, 64) - 0.5
    expected = x.double() @ student.weights[0].double()
    assert student(x).detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-5)
