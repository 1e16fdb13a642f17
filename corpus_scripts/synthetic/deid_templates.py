"""The sentences of invented discharge notes, by section, with slots for what identifies and what does not."""

from __future__ import annotations

HEADS = (
    "{hospital}\nDISCHARGE SUMMARY\n\nPatient: {patient_comma}\nMRN: {record}\nDate of birth: {birth}\n"
    "Admission Date: {admitted}    Discharge Date: {discharged}\nAttending: {doctor}, MD\nService: "
    "{service}\n",
    "Name: {patient_caps}   Unit No: {record}\nAdmit: {admitted}\nDischarge: {discharged}\nFacility: "
    "{hospital}\n"
    "Dictated by: {doctor}, M.D.\n",
    "DISCHARGE NOTE - {hospital}, {town}\n\nRe: {patient} (record number {record})\nAdmitted {admitted}, "
    "discharged "
    "{discharged}.\nAttending physician: Dr. {doctor_last}\n",
    "Admission Date:  [{admitted}]     Discharge Date:  [{discharged}]\n\nService: {service}\n\n"
    "Patient {patient}, account {account}\nResponsible: {doctor_caps}\n",
)

PRESENT_ILLNESS = (
    "{Mr} {patient_last} is a {age}-year-old {man} with a history of {problem} who presented with "
    "{complaint}.",
    "This is a {age} year old {man} with {eponym} and {problem}, sent from {facility} for {complaint}.",
    "The patient is a {age} y/o {man} from {other_town} with {years} years of {problem}, now with "
    "{complaint}.",
    "{He} was seen by Dr. {person_last} at {facility} on {date}, where blood pressure was {bp}.",
    "Symptoms began {days} days before admission and did not respond to {drug} {dose} mg {often}.",
    "The {relative}, {person}, found {Mr} {patient_last} on the floor and called for help.",
    "In {year} {he} underwent repair of the {side} hip at {facility}.",
    "Last seen in {past} by {person}, NP; at that time the {study} was unremarkable.",
    "{He} denies chest pressure, and rates discomfort as {small}/10.",
    "Of note, the {study} in {year} showed an ejection fraction of {percent}%.",
    "{patient_first} reports {small} similar episodes over the past {weeks} weeks.",
)

HISTORY = (
    "{eponym}", "{problem}", "{problem}, diagnosed in {year}", "Status post appendectomy ({year})",
    "{problem}, on {drug}", "Colonoscopy {past}: {small} polyps", "{eponym}, followed by Dr. {person_last}",
    "Fracture of the {side} wrist, {years} years ago",
)  # fmt: skip

SOCIAL = (
    "Lives in {other_town} with {his} {relative} {person}.",
    "Retired from {employer} in {year}.",
    "Works at {employer}; quit smoking {years} years ago.",
    "Lives alone at {address}, {other_town}.",
    "Resident of {facility} since {past}.",
    "Mother died at {relative_age} of a stroke; father had {eponym}.",
    "Has {small} children; a {relative} is {relative_age} and has {problem}.",
    "Health care proxy is {person}, {phone}.",
    "Drinks {small} glasses of wine per week.",
)

MEDICATIONS = (
    "{drug} {dose} mg {route} {often}",
    "{drug} {dose} mg, 1/2 tablet {route} {often}",
    "{drug} {dose} mg {route} {often} x {days} days",
    "{drug} {dose} mg {often} (started {short_date})",
)

EXAM = (
    "Vitals: T {fever}, BP {bp}, HR {pulse}, RR {breaths}, O2 sat {saturation}% on room air.",
    "BP {bp} lying and {bp} standing; pulse {pulse}.",
    "Heart: regular, {fraction} systolic murmur at the {side} sternal border.",
    "Strength {fraction} in the {side} arm, {sign} sign absent.",
    "Lungs with crackles at the {side} base.",
    "Abdomen soft, {sign} sign negative, {device} in place.",
    "Alert and oriented x 3, pupils {small} mm and reactive.",
    "Pressure injury of {size} x {size} cm over the {side} heel.",
)

RESULTS = (
    "WBC {white}, Hgb {hemoglobin}, Plt {platelets}, Na {sodium}, K {potassium}, creatinine {creatinine}.",
    "{short_date}: Na {sodium}, K {potassium}, glucose {glucose}.",
    "On {date} hemoglobin was {hemoglobin} and creatinine {creatinine}.",
    "{study} ({date}): a {size} cm lesion on the {side}, read by Dr. {person_last}.",
    "{study}: no acute change; ejection fraction {percent}%.",
    "Blood cultures {small}/4 bottles positive.",
    "Troponin peaked at {creatinine}; repeat {potassium}.",
)

COURSE = (
    "{He} was started on {drug} {dose} mg {route} {often} and improved over {days} days.",
    "Dr. {person_last} of neurology was consulted on {short_date}.",
    "A {device} was placed on {date} and removed {days} hours later.",
    "Transferred to {unit} on {short_date} for closer monitoring.",
    "The case was discussed with {person} from {facility}.",
    "{Mr} {patient_last} walked 50 feet with physical therapy, strength {fraction}.",
    "Wound closed with 3-0 Vicryl; drain output {platelets} mL over 24 hours.",
    "Blood pressure stayed near {bp} on {drug} {dose} mg.",
    "The {relative} was updated by phone at {phone}.",
    "Creatinine rose to {creatinine} on hospital day {small} and returned to {creatinine}.",
    "Records were requested from {facility}, fax {phone}.",
    "{patient_first} tolerated a diet of 2000 kcal without {complaint}.",
    "Managed per protocol 12-4 with {drug} every {small} hours.",
)

FOLLOW_UP = (
    "Follow up with Dr. {person_last} on {later} at {facility}.",
    "Return to {hospital} for another {study} in {weeks} weeks.",
    "Call {phone} with any questions, or page {pager}.",
    "Appointment with {person}, MD, {later}, telephone {phone}.",
    "Take {drug} {dose} mg {often} for {days} days.",
    "Visiting nurse of {other_town} will check blood pressure; goal below 130/80.",
    "Reports may be sent to {email}.",
    "Social work left a message at {extension}.",
    "Insurance identification {account}, social security number {social}.",
)

SIGNATURES = (
    "{doctor}, MD\nDictated {discharged}, transcribed {later} ({initials})",
    "Signed electronically by {doctor_caps} on {discharged}\npager {pager}",
    "Dr. {doctor}\ncc: Dr. {person}, {other_town}",
    "{initials} / {discharged}\nAttending: {doctor}",
)

# Headings by section, in two fashions; the fashion is the note's.
HEADINGS = {
    "present": ("HISTORY OF PRESENT ILLNESS:", "History of Present Illness"),
    "history": ("PAST MEDICAL HISTORY:", "Past Medical History"),
    "social": ("SOCIAL AND FAMILY HISTORY:", "Social History"),
    "medications": ("MEDICATIONS ON ADMISSION:", "Medications"),
    "exam": ("PHYSICAL EXAMINATION:", "Physical Exam"),
    "results": ("PERTINENT RESULTS:", "Data"),
    "course": ("HOSPITAL COURSE:", "Brief Hospital Course"),
    "follow": ("DISCHARGE INSTRUCTIONS:", "Follow-up"),
}
