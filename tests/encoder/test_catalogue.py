"""The catalogue of published encoders: complete, consistent, and what its names mean.

Run: pytest tests/encoder/test_catalogue.py
"""

import re

import pytest

from spacy_bioclinical.encoder.catalogue import (
    LOWER_CASE_TRAP,
    NOT_STATED,
    SENTENCEPIECE_TRAP,
    SYSTEMS,
    close_names,
    find_system,
    system_of_folder,
)

# The encoders that the papers compare, with the context that each config allows.
PUBLISHED = {
    "dmis-lab/biobert-v1.1": ("bert", 512),
    "emilyalsentzer/Bio_ClinicalBERT": ("bert", 512),
    "emilyalsentzer/Bio_Discharge_Summary_BERT": ("bert", 512),
    "allenai/biomed_roberta_base": ("roberta", 512),
    "yikuan8/Clinical-Longformer": ("longformer", 4096),
    "yikuan8/Clinical-BigBird": ("big_bird", 4096),
    "Simonlee711/Clinical_ModernBERT": ("bert", 8192),
    "answerdotai/ModernBERT-base": ("modernbert", 8192),
    "answerdotai/ModernBERT-large": ("modernbert", 8192),
    "thomas-sounack/BioClinical-ModernBERT-base": ("modernbert", 8192),
    "thomas-sounack/BioClinical-ModernBERT-large": ("modernbert", 8192),
    "thomas-sounack/Bio-ModernBERT-base": ("modernbert", 8192),
    "thomas-sounack/Bio-ModernBERT-large": ("modernbert", 8192),
}


@pytest.mark.parametrize("hub", PUBLISHED)
def test_every_published_encoder_is_found_by_its_hub_name(hub):
    system = find_system(hub)
    assert (system.family, system.context) == PUBLISHED[hub]
    assert system.hub == hub
    assert find_system(hub.rpartition("/")[2]) is system
    assert system_of_folder(f"/somewhere/{hub}/") is system


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_facts_are_complete_and_plausible(system):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+|biobert", system.name)
    assert 0 < system.trained_context <= system.context
    assert re.fullmatch(r"~?\d+(\.\d)? M", system.parameters)
    for text in (system.tokenizer, system.licence, system.trained_on, system.source):
        assert text.strip() == text != ""
    assert system.hub is None or system.hub.count("/") == 1
    if system.hub is None:
        assert "tarball" in system.traps[0]
    if system.licence == NOT_STATED:
        assert any("licence" in fact for fact in system.unsure), "what is not stated is said to be unsure"


def test_no_two_systems_share_a_name():
    spellings = [spelling for system in SYSTEMS for spelling in {system.name, *system.aliases}]
    spellings += [
        system.hub.rpartition("/")[2].lower().replace("_", "-")
        for system in SYSTEMS
        if system.hub is not None
    ]
    owners = {spelling: find_system(spelling).name for spelling in spellings}
    for system in SYSTEMS:
        for spelling in (system.name, *system.aliases, *([system.hub] if system.hub else [])):
            assert find_system(spelling) is system
    assert set(owners.values()) == {system.name for system in SYSTEMS}


@pytest.mark.parametrize(
    "spelling", ["Bio_ClinicalBERT", "bio-clinicalbert", "BIO-CLINICALBERT", " bio_clinicalbert "]
)
def test_case_and_underscores_do_not_matter(spelling):
    assert find_system(spelling).hub == "emilyalsentzer/Bio_ClinicalBERT"


def test_traps_stand_where_they_belong():
    traps = {system.name: system.traps for system in SYSTEMS}
    assert [name for name in traps if LOWER_CASE_TRAP in traps[name]] == [
        "bio-clinicalbert",
        "bio-discharge-summary-bert",
    ]
    assert [name for name in traps if SENTENCEPIECE_TRAP in traps[name]] == ["clinical-bigbird"]
    short = [system.name for system in SYSTEMS if system.advised_context]
    assert short == ["clinical-modernbert"]
    assert find_system("clinical-modernbert").trained_context == 128
    assert "name" in find_system("bio-modernbert-large").unsure[0]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("bioclinical-modernbert-bse", "bioclinical-modernbert-base"),
        ("thomas-sounack/BioClinical-ModernBERT-lage", "bioclinical-modernbert-large"),
        ("bigbird", "clinical-bigbird"),
        ("BioClinicalBERT", "bio-clinicalbert"),
        ("longformer", "clinical-longformer"),
    ],
)
def test_misspelt_names_are_recognised(typed, meant):
    assert find_system(typed) is None
    assert close_names(typed)[0] == meant


def test_foreign_names_are_left_alone():
    for name in ("nobody/nothing-like-it", "zzz", "medicalai/ClinicalBERT", "", "encoders/tiny"):
        assert system_of_folder(name) is None
    assert close_names("zzzzzzz") == []
