"""Invented clinical notes of an exact number of words, for timing whole pipelines. Seeded; nobody's data.

A word is a token of spaCy's English tokenizer, as in spaCy's own speed figures; white space does not count. Words,
numbers and punctuation are mixed as in discharge summaries, so that tokenizers cut them into about as many pieces
a word as they do there (ModernBERT's: 1.3).
"""

import random
from collections.abc import Iterator

import spacy
from spacy.language import Language

SECTIONS = (
    *("History of Present Illness:", "Past Medical History:", "Medications on Admission:", "Allergies:"),
    *("Physical Exam:", "Pertinent Results:", "Brief Hospital Course:", "Discharge Medications:"),
    *("Discharge Condition:", "Followup Instructions:", "Social History:", "Family History:"),
)
SENTENCES = (
    "Patient is a {age} year old {sex} with a history of {disease} and {disease} who presents with {symptom}.",
    "{pronoun} denies {symptom}, {symptom} or {symptom}, but reports {symptom} for {n} days.",
    "On {date} {pronoun_low} underwent {procedure} without complication; estimated blood loss was {n}0 mL.",
    "{drug} {dose} mg p.o. {schedule}, {drug} {dose} mg {schedule} as needed for {symptom}.",
    "Vital signs: T {temp}, BP {bp}/{low_bp}, HR {pulse}, RR {n}, SpO2 {sat}% on room air.",
    "WBC {lab}, Hgb {lab}, Hct {pulse}.{n}, Plt {bp}, Na {bp}, K {n}.{n}, BUN {n}, creatinine 1.{n}.",
    "{imaging} of the {site} showed {finding} without evidence of {disease}.",
    "There is {finding} in the {site}, unchanged from the prior study of {date}.",
    "{pronoun} was started on {drug} and transitioned to {drug} {dose} mg {schedule} prior to discharge.",
    "Cardiovascular: regular rate and rhythm, no murmurs, rubs or gallops; {site} without {finding}.",
    "Given concern for {disease}, {service} was consulted and recommended {procedure}.",
    "{pronoun} was transferred from {hospital} to the {service} service under the care of Dr. {surname}.",
    "Mother had {disease} at {age}; father died of {disease}.",
    "{pronoun} lives with {relative} in {town}, quit smoking in {year} and drinks {n} beers/week.",
    "Please follow up with Dr. {surname} on {date} at {n}:30 for repeat {imaging} and {lab_name}.",
    "{lab_name} trended down from {lab} to {lab} over the course of the admission.",
    "If you develop {symptom} or {symptom}, call the {service} clinic or return to the emergency department.",
    "The patient tolerated the procedure well and was taken to the recovery area in stable condition.",
    "{pronoun} was seen and examined with the team this morning and appears comfortable, alert and oriented.",
    "Overnight there were no acute events, and the patient slept well after receiving a dose of {drug}.",
    "The family was updated at the bedside and agrees with the plan to continue {drug} until {procedure}.",
    "{pronoun} has a long history of {disease}, which has been well controlled with {drug} since {year}.",
    "Because of worsening {symptom}, the dose of {drug} was increased and the patient was monitored closely.",
    "After a discussion of the risks and benefits, {pronoun_low} elected to proceed with {procedure}.",
    "The patient was discharged home in good condition with instructions to avoid heavy lifting for {n} weeks.",
    "The patient's {disease} was managed conservatively with {drug}, {drug} and aggressive pulmonary toilet.",
)
WORDS: dict[str, tuple[str, ...]] = {
    "sex": ("man", "woman", "male", "female"),
    "disease": (
        *("hypertension", "type 2 diabetes mellitus", "atrial fibrillation", "chronic kidney disease"),
        *("coronary artery disease", "community-acquired pneumonia", "COPD", "congestive heart failure"),
        *("hypothyroidism", "deep vein thrombosis", "pulmonary embolism", "urosepsis", "pancreatitis"),
        *("hepatic encephalopathy", "diverticulitis", "osteomyelitis", "cholangiocarcinoma", "endocarditis"),
    ),
    "symptom": (
        *("chest pain", "dyspnea on exertion", "fevers", "night sweats", "palpitations", "orthopnea"),
        *("nausea", "hematemesis", "melena", "lightheadedness", "dysuria", "productive cough"),
        *("right upper quadrant pain", "bilateral lower extremity edema", "altered mental status"),
    ),
    "drug": (
        *("metoprolol", "lisinopril", "furosemide", "atorvastatin", "vancomycin", "piperacillin-tazobactam"),
        *("ceftriaxone", "azithromycin", "warfarin", "enoxaparin", "levothyroxine", "pantoprazole"),
        *("prednisone", "albuterol", "insulin glargine", "amiodarone", "hydromorphone", "gabapentin"),
    ),
    "schedule": ("daily", "b.i.d.", "t.i.d.", "q6h", "q.h.s.", "every other day"),
    "procedure": (
        *("cardiac catheterization", "ERCP with sphincterotomy", "bronchoscopy", "a right hemicolectomy"),
        *("transesophageal echocardiogram", "placement of a PICC line", "hemodialysis", "thoracentesis"),
    ),
    "imaging": ("CT", "MRI", "Chest x-ray", "Ultrasound", "CT angiography", "Echocardiogram"),
    "site": (
        *("abdomen and pelvis", "left lower lobe", "right kidney", "lumbar spine", "liver", "brain"),
        *("mediastinum", "bilateral lower extremities", "common bile duct", "left ventricle"),
    ),
    "finding": (
        *("a 1.2 cm hypodense lesion", "mild hydronephrosis", "patchy opacities", "a small effusion"),
        *("bibasilar atelectasis", "cholelithiasis", "no acute abnormality", "diffuse calcification"),
    ),
    "service": ("cardiology", "nephrology", "infectious disease", "gastroenterology", "surgery", "neurology"),
    "hospital": (
        "Elmbrook General",
        "St. Orrin Medical Center",
        "Harrowgate Rehabilitation",
        "Quill Memorial",
    ),
    "relative": ("her husband", "his wife", "a daughter", "two roommates"),
    "lab_name": ("troponin", "creatinine", "lactate", "bilirubin", "INR", "hemoglobin A1c", "lipase"),
    "pronoun": ("He", "She"),
    "pronoun_low": ("he", "she"),
}
SYLLABLES = (
    "bar",
    "den",
    "kov",
    "lin",
    "mar",
    "ost",
    "pel",
    "quin",
    "ras",
    "sten",
    "tor",
    "ul",
    "vin",
    "wick",
)


def write_notes(n_notes: int, n_words: int, seed: int) -> list[str]:
    """Invent notes.

    n_notes (int): how many.
    n_words (int): words of each, exactly.
    seed (int): the same seed gives the same notes.
    RETURNS (list[str]): their texts.
    """
    nlp = spacy.blank("en")
    return [_note(nlp, n_words, random.Random(f"{seed} {number}")) for number in range(n_notes)]


def n_words_of(text: str, nlp: Language) -> int:
    """Words of a text: tokens that are not white space."""
    return sum(not token.is_space for token in nlp.make_doc(text))


def _note(nlp: Language, n_words: int, draw: random.Random) -> str:
    text, n_written = "", 0
    # Sections begin on lines of their own; their sentences run on.
    for line in _lines(draw):
        text += ("\n\n" if line in SECTIONS else "\n" if text.endswith(":") else " ") + line if text else line
        n_written += len(line.split(" "))
        if n_written >= n_words:  # never more pieces of text than words
            break
    left = n_words
    for token in nlp.make_doc(text):
        left -= not token.is_space
        if not left:
            return text[: token.idx + len(token)]
    raise AssertionError("a text has at least as many words as parts between white space")


def _lines(draw: random.Random) -> Iterator[str]:
    while True:
        for section in draw.sample(SECTIONS, len(SECTIONS)):
            yield section
            for _ in range(draw.randint(5, 12)):
                yield _sentence(draw)


def _sentence(draw: random.Random) -> str:
    parts = []
    for i, part in enumerate(draw.choice(SENTENCES).replace("}", "{").split("{")):
        parts.append(_fill(part, draw) if i % 2 else part)
    return "".join(parts)


def _fill(name: str, draw: random.Random) -> str:
    if name in WORDS:
        return draw.choice(WORDS[name])
    if name in ("surname", "town"):
        made = "".join(draw.sample(SYLLABLES, 2)).capitalize()
        return made if name == "surname" else f"{made}field"
    numbers = {
        "age": (19, 97),
        "n": (2, 9),
        "dose": (5, 900),
        "bp": (95, 180),
        "low_bp": (45, 95),
        "pulse": (52, 128),
        "sat": (88, 100),
        "year": (1961, 2019),
    }
    if name in numbers:
        return str(draw.randint(*numbers[name]))
    if name == "date":
        return f"{draw.randint(1, 12)}/{draw.randint(1, 28)}/{draw.randint(2040, 2049)}"
    return f"{draw.uniform(96, 103):.1f}" if name == "temp" else f"{draw.uniform(0.4, 18):.1f}"
