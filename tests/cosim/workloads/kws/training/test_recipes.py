"""Recipes are read without PyTorch: the command line lists them."""

import subprocess
import sys

from cosim.workloads.kws.training.recipes import RECIPES, Recipe


def test_the_papers_recipe_is_the_default():
    assert RECIPES["paper"] == Recipe()
    assert (Recipe().weight_noise, Recipe().activation_noise) == (0.02, 0.04)  # Nature 620, 768 (2023), Methods


def test_recipes_need_no_torch():
    code = "import sys; sys.modules['torch'] = None; import cosim.workloads.kws.training.recipes"
    subprocess.run([sys.executable, "-c", code], check=True)
