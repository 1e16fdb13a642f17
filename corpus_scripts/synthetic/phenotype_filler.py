"""What all invented long notes are made of, whatever their labels: ordinary findings, with slots."""

from __future__ import annotations

from typing import NamedTuple


class Section(NamedTuple):
    """One kind of section.

    heading (str): May hold slots.
    sentences (tuple): Drawn without repetition, then again.
    listed (bool): One sentence a line, or a paragraph.
    size (tuple): Fewest and most sentences.
    """

    heading: str
    sentences: tuple[str, ...]
    listed: bool
    size: tuple[int, int] = (3, 8)


OPENING = (
    Section(
        "CHIEF COMPLAINT:",
        ("Worsening {complaint} for {days} days.", "New {complaint}, {days} days."),
        False,
        (1, 1),
    ),
    Section(
        "HISTORY OF PRESENT ILLNESS:",
        (
            "The patient presented with {complaint} that began {days} days before arrival.",
            "In the emergency room blood pressure was {bp} and the pulse {pulse}.",
            "The initial {study} showed a {size} cm density on the {side}.",
            "There was some relief with {drug} {dose} mg {route}.",
            "Similar symptoms {weeks} weeks ago settled without treatment.",
            "No recent travel, no contact with ill persons.",
            "The patient was given {drug} and {small} liters of fluid.",
            "Saturation was {saturation}% on room air and {saturation}% on two liters.",
            "The {side} leg had been swollen for about {weeks} weeks.",
            "Review of outside records showed {problem} and {eponym}.",
        ),
        False,
    ),
    Section(
        "REVIEW OF SYSTEMS:",
        (
            "Appetite unchanged, weight stable.",
            "No visual change, no hearing loss.",
            "Occasional {complaint}, otherwise negative.",
            "Urine output adequate, no burning.",
            "No rash, no joint swelling.",
            "Sleeps on {small} pillows.",
        ),
        False,
    ),
    Section(
        "PAST MEDICAL HISTORY:",
        ("{problem}, for {years} years", "{eponym}", "{problem}", "hernia repair, {side}"),
        True,
    ),
    Section("MEDICATIONS ON ADMISSION:", ("{drug} {dose} mg {route} {often}",), True),
)

BODY = (
    Section(
        "PHYSICAL EXAMINATION:",
        (
            "Temperature {fever}, blood pressure {bp}, pulse {pulse}, respirations {breaths}.",
            "Pupils {small} mm, equal and reactive.",
            "Neck supple, no bruit.",
            "Lungs with crackles at the {side} base.",
            "Regular rhythm, {fraction} systolic murmur.",
            "Abdomen soft, {sign} sign negative.",
            "Trace edema of the {side} ankle.",
            "Strength {fraction} throughout, reflexes symmetric.",
            "Skin warm, wound of {size} by {size} cm on the {side} shin.",
            "A {device} is in place.",
        ),
        False,
    ),
    Section(
        "LABORATORY DATA, DAY {small}:",
        (
            "WBC {white}, hemoglobin {hemoglobin}, platelets {platelets}",
            "sodium {sodium}, potassium {potassium}, creatinine {creatinine}",
            "glucose {glucose}, repeat {glucose}",
            "INR {creatinine}, PTT {percent}",
            "urinalysis: {small} white cells, no nitrite",
            "blood cultures: no growth after {small} days",
            "lactate {creatinine}, bicarbonate {years}",
        ),
        True,
    ),
    Section(
        "IMAGING:",
        (
            "{study}: no acute process.",
            "{study}: opacity of {size} cm at the {side} base, unchanged.",
            "{study}: ejection fraction {percent}%, mild {side} atrial enlargement.",
            "{study}: small effusion on the {side}.",
            "{study}: limited by motion, repeat advised in {weeks} weeks.",
            "{study}: degenerative change, no fracture.",
        ),
        False,
    ),
    Section(
        "HOSPITAL COURSE:",
        (
            "Infection: {drug} was given {often} for {days} days and the fever resolved.",
            "Cardiac: rate controlled at {pulse} with {drug} {dose} mg {often}.",
            "Renal: creatinine peaked at {creatinine} and fell to {creatinine} with fluids.",
            "Endocrine: glucose between {glucose} and {glucose} on a sliding scale.",
            "Hematology: {small} units were transfused for a hemoglobin of {hemoglobin}.",
            "Pulmonary: weaned from oxygen over {days} days, saturation {saturation}%.",
            "Nutrition: diet advanced as tolerated, potassium repleted to {potassium}.",
            "Neurology: {study} without change, examination stable.",
            "Vascular: the {side} leg was elevated and swelling went down.",
            "Prophylaxis: compression boots and {drug}.",
            "The {device} was removed on hospital day {small}.",
            "Physical therapy walked the patient {platelets} feet with a walker.",
        ),
        False,
    ),
    Section(
        "NURSING NOTE, SHIFT {small}:",
        (
            "Blood pressure {bp}, pulse {pulse}, afebrile at {fever}.",
            "Turned every {small} hours, skin intact.",
            "Intake {glucose} mL, output {platelets} mL.",
            "Ambulated to the chair with help of one.",
            "Dressing on the {side} side changed, small drainage.",
            "Given {drug} {dose} mg as ordered, tolerated well.",
            "Call bell within reach, rails up.",
            "Slept in short periods, visited by family.",
            "Skin prepared with alcohol swabs before the line was changed.",
        ),
        False,
    ),
    Section(
        "CONSULTATION, DAY {small}:",
        (
            "Asked to see the patient for {complaint}.",
            "We reviewed the {study} and agree with the reading.",
            "Recommend {drug} {dose} mg {often} and a repeat level in {days} days.",
            "Would hold {drug} while creatinine is above {creatinine}.",
            "Follow electrolytes {often}.",
            "No procedure needed at this time.",
            "The {sign} sign was absent on our examination.",
            "Will follow with you.",
        ),
        False,
    ),
)

CLOSING = (
    Section(
        "DISCHARGE MEDICATIONS:",
        ("{drug} {dose} mg {route} {often}", "{drug} {dose} mg {often} for {days} days"),
        True,
    ),
    Section(
        "DISCHARGE INSTRUCTIONS:",
        (
            "Return for fever above {fever} or worsening {complaint}.",
            "Weigh yourself every morning.",
            "Keep the wound on the {side} dry for {days} days.",
            "A follow-up visit is planned in {weeks} weeks.",
            "Blood work in {days} days, results to the clinic.",
            "Low salt diet, activity as tolerated.",
        ),
        False,
    ),
)
