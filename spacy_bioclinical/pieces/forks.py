"""Let worker processes fork without the Rust tokenizer's warning, and without its threads, which no fork inherits.

Once `tokenizers` has used several threads, every forked process prints "The current process just got forked, after
parallelism has already been used" unless TOKENIZERS_PARALLELISM is set at that moment; and if it is set to "true", the
worker waits for ever for threads that are not there. So it is set to "false" while a process forks, and in the worker
from then on; the parent gets back what it had.
"""

import os

VARIABLE = "TOKENIZERS_PARALLELISM"
_is_guarded = False
_is_ours = False  # the variable was set by us, for the fork under way


def guard_forks() -> None:
    """Watch forks from now on; called before the first text is tokenised. Does nothing where there is no fork."""
    global _is_guarded
    if _is_guarded or not hasattr(os, "register_at_fork"):
        return
    _is_guarded = True
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)


def _before_fork() -> None:
    global _is_ours
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = "false"
        _is_ours = True


def _in_parent() -> None:
    global _is_ours
    if _is_ours:
        os.environ.pop(VARIABLE, None)
        _is_ours = False


def _in_child() -> None:
    os.environ[VARIABLE] = "false"
