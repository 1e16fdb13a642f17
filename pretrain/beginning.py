"""Where a run begins, decided before its text is read: an encoder folder, random weights, or another run's checkpoint.

The encoder that it begins with may shorten the recipe's documents (`pretrain.bert_start.fitted_recipe`), and these
decide on the shards.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pretrain.bert_start import check_head, fitted_recipe
from pretrain.branching import CHECKPOINTS, Branch, find_branch, note_branch, noted_branch
from pretrain.checkpoints import Checkpoint, latest_checkpoint
from pretrain.recipes import Recipe
from pretrain.scoring import Model
from pretrain.start import branch_model, starting_config, starting_model
from spacy_bioclinical.pieces.tokenizer import PieceTokenizer


@dataclass(frozen=True)
class Beginning:
    """Where a run begins.

    recipe (Recipe): fitted to the encoder. config (dict): the encoder's `config.json`. folder (Path): encoder folder.
    place (str | None): the checkpoint that it branches off from; branch (Branch | None): the same, opened, unless this
        run has gone on from there already. identity (str): of the branch.
    """

    recipe: Recipe
    config: dict[str, Any]
    folder: Path
    is_from_scratch: bool
    place: str | None = None
    branch: Branch | None = None
    identity: str = ""

    def model(self, tokenizer: PieceTokenizer, work: Path, *, is_main: bool) -> tuple[Model, str]:
        """Build the model; return it and the word on its weights for the run's identity.

        RAISES (ValueError): see `starting_model` and `branch_model`.
        """
        if self.place is None:
            return starting_model(self.recipe, self.folder, tokenizer, is_from_scratch=self.is_from_scratch)
        if self.branch is not None and is_main:
            note_branch(work, self.place, self.branch)
        return branch_model(self.recipe, tokenizer, self.config), self.identity


def find_beginning(
    recipe: Recipe,
    folder: Path,
    tokenizer: PieceTokenizer,
    work: Path,
    *,
    is_from_scratch: bool,
    branch_from: str | None,
    keeps_time: bool = False,
    keeps_max_lr: bool = False,
) -> Beginning:
    """Find where a run begins, and fit the recipe to it; see `pretrain.train.pretrain` for the arguments.

    RAISES (ValueError): BC713, BC758 (branch), BC778, BC781 (heads), BC103, BC105.
    """
    if branch_from is None:
        config = starting_config(recipe, folder, tokenizer, is_from_scratch=is_from_scratch)
        return Beginning(fitted_recipe(recipe, config), config, folder, is_from_scratch)
    branch: Branch | None = None
    checkpoint: Checkpoint | None
    identity = noted_branch(work, branch_from)
    if identity:
        checkpoint = latest_checkpoint(work / CHECKPOINTS)
    else:
        branch = Branch(find_branch(branch_from), not keeps_time, keeps_max_lr)
        checkpoint, identity = branch.checkpoint, branch.identity
    known = None if checkpoint is None else checkpoint.state.get("config")
    config = known or starting_config(recipe, folder, tokenizer, is_from_scratch=True)
    fitted = fitted_recipe(recipe, config)
    if checkpoint is not None:
        check_head(fitted, checkpoint.folder)
    return Beginning(fitted, config, folder, is_from_scratch, branch_from, branch, identity)
