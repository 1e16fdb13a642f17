"""Groups of windows within a budget, and what counts as out of memory. Run: pytest tests/models/test_memory.py"""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bioclinical.models.memory import budget_groups, first_group, is_out_of_memory


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 100))
def test_groups_keep_order_and_budget_and_take_what_fits(lengths, budget):
    groups = list(budget_groups(lengths, budget))
    assert [length for group in groups for length in group] == lengths
    for group, following in itertools.pairwise(groups):
        assert sum(group) + following[0] > budget
    assert all(sum(group) <= budget or len(group) == 1 for group in groups)


def test_first_group_begins_where_it_is_told():
    assert first_group([5, 1, 2, 3, 4], 1, 6) == [1, 2, 3]
    assert first_group([5, 9], 1, 6) == [9]


def test_memory_errors_are_told_from_others():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**62, dtype=torch.uint8)  # the allocator's own words
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
    )
    with pytest.raises(RuntimeError) as other:
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    assert not is_out_of_memory(other.value)
    assert not is_out_of_memory(ValueError("out of memory"))
