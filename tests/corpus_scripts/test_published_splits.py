"""The paper's splits: golden values, libraries: pytest tests/corpus_scripts/test_published_splits.py."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_scripts.corpora.published import chemprot, cos, deid, phenotype, social_history, splits

# corpus → documents, and of train, dev, test: size, first positions, hash of the compact JSON list
GOLDEN = {
    "PHENOTYPE": (2270, (
        (1589, [954, 1391, 1256, 566, 775], "716299bfcf347d18"),
        (227, [1298, 1657, 611, 687, 1339], "9c06df3acd8cc17f"),
        (454, [1605, 743, 1237, 1141, 1867], "09da4dbea33726a4"),
    )),
    "COS": (1008, (
        (705, [360, 700, 92, 632, 259], "a045945b8b9644ab"),
        (151, [478, 179, 565, 387, 274], "46f8c91f9f8fdc7c"),
        (152, [480, 285, 25, 248, 501], "783d5c0f3d0e57db"),
    )),
    "SOCIAL_HISTORY": (364, (
        (254, [250, 84, 183, 101, 73], "f2533d5241806e1d"),
        (55, [166, 354, 50, 138, 172], "a57bcd5a85a3b8be"),
        (55, [186, 156, 45, 119, 361], "370f2f2d72177eaa"),
    )),
    "DEID": (2434, (
        (1703, [381, 1915, 538, 2236, 2144], "21cc9f3045823b65"),
        (365, [1937, 240, 282, 873, 1855], "0cc6b8c741cf32ce"),
        (366, [1146, 471, 1813, 1790, 1014], "4c40193eb8eab850"),
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_published_split_has_the_golden_values(name):
    total, wanted = GOLDEN[name]
    parts = getattr(splits, name).indices(total)
    assert list(parts) == ["train", "dev", "test"]
    for indices, (size, first, digest) in zip(parts.values(), wanted):
        assert len(indices) == size
        assert indices[:5] == first
        compact = json.dumps(indices, separators=(",", ":")).encode()
        assert hashlib.sha256(compact).hexdigest()[:16] == digest
    assert sorted(index for part in parts.values() for index in part) == list(range(total))


SIZES = st.tuples(st.integers(3, 400), st.sampled_from((0.1, 0.125, 0.2, 0.3, 0.5)), st.integers(0, 50))


@given(SIZES)
@settings(max_examples=15, deadline=None)
def test_hf_split_equals_the_datasets_library(sizes):
    datasets = pytest.importorskip("datasets")
    total, share, seed = sizes
    whole = datasets.Dataset.from_dict({"i": list(range(total))})
    halves = whole.train_test_split(test_size=share, seed=seed)
    assert splits.hf_split(total, share, seed) == (list(halves["train"]["i"]), list(halves["test"]["i"]))


@given(SIZES)
@settings(max_examples=50, deadline=None)
def test_sklearn_split_equals_the_library(sizes):
    selection = pytest.importorskip("sklearn.model_selection")
    total, share, seed = sizes
    halves = selection.train_test_split(list(range(total)), test_size=share, random_state=seed)
    assert splits.sklearn_split(total, share, seed) == tuple(halves)


def test_published_split_of_too_few_documents_is_refused():
    assert [len(part) for part in splits.COS.indices(7).values()] == [4, 1, 2]
    with pytest.raises(ValueError, match=r"BC643.*cos.*--split checksum"):
        splits.COS.indices(2, name="cos")


def test_published_label_orders():
    assert deid.LABELS == (
        "O", "B-age", "B-date", "B-location", "B-name", "B-other", "B-phone_nb", "I-age", "I-date", "I-location",
        "I-name", "I-other", "I-phone_nb",
    )  # fmt: skip
    assert cos.LABELS == (
        "B-Attr", "B-Cos", "B-Loc", "B-Ref", "B-Val", "I-Attr", "I-Cos", "I-Loc", "I-Ref", "I-Val", "O",
    )  # fmt: skip
    assert chemprot.LABELS == ("CPR:3", "CPR:4", "CPR:5", "CPR:6", "CPR:9", "false")
    assert list(chemprot.LABELS) == sorted(chemprot.LABELS)
    assert phenotype.LABELS == (
        "ADVANCED.CANCER", "ADVANCED.HEART.DISEASE", "ADVANCED.LUNG.DISEASE", "ALCOHOL.ABUSE",
        "CHRONIC.NEUROLOGICAL.DYSTROPHIES", "CHRONIC.PAIN.FIBROMYALGIA", "DEMENTIA", "DEPRESSION",
        "DEVELOPMENTAL.DELAY.RETARDATION", "NON.ADHERENCE", "OBESITY", "OTHER.SUBSTANCE.ABUSE",
        "SCHIZOPHRENIA.AND.OTHER.PSYCHIATRIC.DISORDERS", "UNSURE",
    )  # fmt: skip
    assert len(social_history.TYPES) == 26
    assert social_history.LABELS == (
        "B-Alcohol", "B-Amount", "B-Drug", "B-EnvironmentalExposure", "B-ExposureHistory", "B-Extent", "B-Family",
        "B-Frequency", "B-History", "B-InfectiousDiseases", "B-LivingStatus", "B-Location", "B-MaritalStatus",
        "B-MedicalCondition", "B-Method", "B-Occupation", "B-Other", "B-PhysicalActivity", "B-QuitHistory",
        "B-Residence", "B-SexualHistory", "B-Status", "B-Temporal", "B-Tobacco", "B-Type", "I-Alcohol", "I-Amount",
        "I-Drug", "I-EnvironmentalExposure", "I-ExposureHistory", "I-Extent", "I-Family", "I-Frequency", "I-History",
        "I-InfectiousDiseases", "I-LivingSituation", "I-LivingStatus", "I-Location", "I-MaritalStatus",
        "I-MedicalCondition", "I-Method", "I-Occupation", "I-Other", "I-QuitHistory", "I-Residence",
        "I-SexualHistory", "I-Status", "I-Temporal", "I-Tobacco", "I-Type", "O",
    )  # fmt: skip
    assert len(social_history.LABELS) == 51
