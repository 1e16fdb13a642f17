"""Recognise clinical section headings by a table of known ones and by shape; used to cut windows where a
section begins.

The price of a mistake is small (a window begins at an ordinary line), so the shape rule is generous.
Numbering and markup in front ("1.", "#", "**") and markup behind are ignored; case never matters for known
headings.
"""

from __future__ import annotations

import re

# Lower case, single spaces. One group of sections a line or two, in the order of a discharge summary.
KNOWN_HEADINGS: frozenset[str] = frozenset(
    heading.strip()
    for group in (
        "admission date, discharge date, date of admission, date of discharge, date of birth",
        "date of service, service, attending, referring physician, primary care physician, facility",
        "code status, addendum, chief complaint, cc, reason for admission, reason for visit",
        "reason for consultation, presenting complaint, major surgical or invasive procedure, procedures",
        "procedure, operations, operation, surgeries, history of present illness, hpi, present illness",
        "interval history, subjective, history, clinical history, past medical history, pmh, pmhx",
        "medical history, past surgical history, psh, surgical history, past psychiatric history",
        "past obstetric history, ob history, birth history, oncologic history, social history, sh",
        "family history, fh, tobacco, alcohol, illicits, occupation, living situation, allergies",
        "allergy, adverse reactions, drug allergies, immunizations, immunisations, vaccinations",
        "medications, meds, home medications, current medications, medications on admission",
        "admission medications, medications prior to admission, preadmission medications",
        "medications on transfer, transfer medications, discharge medications, medications on discharge",
        "infusions, scheduled medications, prn medications, review of systems, ros, constitutional",
        "functional status, baseline function, nutrition, diet, physical exam, physical examination, pe",
        "exam, examination, admission exam, discharge exam, objective, admission physical exam",
        "discharge physical exam, physical exam on admission, physical exam on discharge, vital signs",
        "vitals, general, heent, neck, lungs, chest, heart, cardiovascular, cv, pulmonary, respiratory",
        "abdomen, abd, gastrointestinal, gi, genitourinary, gu, extremities, ext, musculoskeletal, skin",
        "neuro, neurologic, neurological, neurological exam, mental status exam, psychiatric, psych",
        "lymphatic, back, pertinent results, results, laboratory data, laboratory results, laboratories",
        "labs, lab results, admission labs, discharge labs, labs on admission, labs on discharge",
        "hematology, chemistry, urinalysis, microbiology, micro, cultures, blood cultures, pathology",
        "specimens, gross description, microscopic description, final diagnosis, imaging, images",
        "radiology, studies, diagnostic studies, ekg, ecg, echo, echocardiogram, chest x-ray, cxr, ct",
        "mri, ultrasound, cardiac catheterization, eeg, indication, indications, comparison, technique",
        "findings, impression, conclusion, interpretation, recommendations, brief hospital course",
        "hospital course, hospital course by problem, hospital course by system, course",
        "hospital course by issue, icu course, micu course, ed course, emergency department course",
        "events, operative findings, description of procedure, preoperative diagnosis",
        "postoperative diagnosis, anesthesia, estimated blood loss, complications, drains, implants",
        "disposition of specimens, assessment, assessment and plan, assessment & plan, assessment/plan",
        "a/p, a&p, plan, plan of care, problem list, active issues, chronic issues, active problems",
        "transitional issues, problems, issues, diagnosis, diagnoses, admission diagnosis",
        "admitting diagnosis, discharge diagnosis, discharge diagnoses, primary diagnosis",
        "secondary diagnosis, secondary diagnoses, principal diagnosis, other diagnoses",
        "condition on discharge, discharge condition, condition, mental status, level of consciousness",
        "activity status, discharge disposition, disposition, discharge instructions, instructions",
        "discharge plan, followup instructions, follow-up instructions, follow up, followup, follow-up",
        "followup plans, pending results, pending studies, attestation, total time, critical care time",
        "counseling, consultants, consults, lines, access, prophylaxis, communication, contact",
        "glucose control, nursing notes, response, action",
    )
    for heading in group.split(",")
)

MAX_WORDS, MAX_CHARACTERS = 6, 60
_SMALL_WORDS = frozenset(
    ("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with")
)
_MARKUP = "#*_=- \t\u00a0\r\n"
_NUMBERING = re.compile(r"(?:\d{1,2}|[A-Za-z]|[IVXivx]{1,4})[.)]\s+")
_BULLET = re.compile(r"(?:[-*+\u2022\u00b7]|\d{1,2}[.)])\s")
_PHRASE = re.compile(
    r"[^\W\d_](?:[^\W\d_]|[/&,'()\- ])*"
)  # letters and a few joints: no digits, no full stop


def is_heading(line: str) -> bool:
    """Say whether a line is, or begins with, a section heading.

    line (str): one line of a note.
    RETURNS (bool): True for a known heading alone or before a colon, for a short title-case or upper-case
        phrase before a colon, and for a short line in capitals that is no list item.
    """
    line = line[: 4 * MAX_CHARACTERS].lstrip()
    is_item = bool(_BULLET.match(line))
    line = line.strip(_MARKUP)
    numbering = _NUMBERING.match(line)
    if numbering:
        line = line[numbering.end() :]
    phrase, colon, _ = line.partition(":")
    phrase = phrase.strip(_MARKUP)
    if not phrase or len(phrase) > MAX_CHARACTERS:
        return False
    words = phrase.split()
    if " ".join(words).lower() in KNOWN_HEADINGS:
        return True
    if len(words) > MAX_WORDS or not _PHRASE.fullmatch(phrase):
        return False
    if colon:
        return all(not word[0].islower() or word in _SMALL_WORDS for word in words)
    return not is_item and phrase.isupper() and sum(char.isalpha() for char in phrase) >= 4
