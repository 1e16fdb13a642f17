"""All recipes by name: walk `RECIPES`, or take one with `get_recipe`."""

from pretrain.recipes.bioclinical import BIOCLINICAL
from pretrain.recipes.clinical_modernbert import CLINICAL
from pretrain.recipes.clinicalbert import CLINICALBERTS
from pretrain.recipes.instances import ClinicalBertInstances
from pretrain.recipes.modernbert import MODERNBERT
from pretrain.recipes.recipe import Recipe
from pretrain.recipes.small import SMALL
from pretrain.recipes.tiny import TINIES
from spacy_bioclinical.errors import Errors

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (*TINIES, *SMALL, *BIOCLINICAL, *MODERNBERT, *CLINICAL, *CLINICALBERTS)
}

__all__ = ["RECIPES", "ClinicalBertInstances", "Recipe", "get_recipe"]


def get_recipe(name: str) -> Recipe:
    """Return a recipe. RAISES (ValueError): BC712 for an unknown name."""
    if name not in RECIPES:
        known = list(RECIPES)
        raise ValueError(Errors.BC712.format(name=name, known=", ".join(known), first=known[0]))
    return RECIPES[name]
