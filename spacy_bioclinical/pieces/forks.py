"""Let worker processes fork without the Rust tokenizer's warning, and without its threads, which no fork inherits.

Once `tokenizers` has used several threads, every forked process prints "The current process just got forked, after
parallelism has already been used" unless TOKENIZERS_PARALLELISM is set at that moment. So it is set to "false" while a
process forks: the worker finds it and stays with one thread, which is what it needs; the parent takes it away again
and keeps its threads. A value that the user has set stays as it is.
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
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork)


def _before_fork() -> None:
    global _is_ours
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = "false"
        _is_ours = True


def _after_fork() -> None:
    global _is_ours
    if _is_ours:
        os.environ.pop(VARIABLE, None)
        _is_ours = False
