"""Recipes are read without PyTorch, and the rate rises, stays and falls."""

import subprocess
import sys

import pytest

from cosim.workloads.rnnt.training.recipes import RECIPES


def test_recipes_need_no_torch():
    code = "import sys, cosim.workloads.rnnt.training.recipes; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_full_is_the_papers():
    assert RECIPES["full"].shape.mapped_weights == 45_261_568  # Nature 620, 768 (2023), Methods


@pytest.mark.parametrize("name", RECIPES)
def test_rate(name):
    recipe = RECIPES[name]
    rates = [recipe.rate(step) for step in range(recipe.steps)]
    assert recipe.front_end.features == recipe.shape.features
    assert max(rates) == recipe.learning_rate
    assert rates[0] < 0.01 * recipe.learning_rate
    assert 0 < rates[-1] < 0.001 * recipe.learning_rate
    held = [recipe.held(step) for step in range(recipe.steps)]
    assert held.index(False) == pytest.approx((1 - recipe.decay) * recipe.steps, abs=2)
    assert rates[held.index(False) - 1] == recipe.learning_rate
