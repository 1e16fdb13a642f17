"""Lines of invented nursing notes, for stand-ins of PhysioNet's de-identified notes; slots as in deid_templates.

Of each five, three are for train, one for dev, one for test.
"""

from __future__ import annotations

TITLES = (
    "Nursing progress note", "NPN 7a-7p", "MICU nursing note", "Nsg admit note", "CCU night shift",
    "Respiratory care note", "Transfer note", "Event note", "Social work note", "Shift summary",
)  # fmt: skip

LINES = (
    "Pt {patient} awake, asking for {his} {relative} {person_first}.",
    "Received from {unit} at {small} pm, report by {person_first}.",
    "{Mr} {patient_last} seen by Dr. {doctor_last}, plan unchanged.",
    "{relative} {person} called from {phone}, will visit on {short_date}.",
    "Old chart requested from {hospital}, admission {range}.",
    "Pt is {age}, lives at {address} in {other_town}.",
    "Dr. {doctor} paged at {pager} for bp {bp}.",
    "Tx to {facility} planned for {short_date}.",
    "Previous stay at {hospital} in {year}, again {past}.",
    "Works for {employer}, badge {record}.",
    "HO {doctor_last} aware, beeper {pager}.",
    "Son {person_first} is proxy, email {email}.",
    "{patient_first} comfortable, pain {small}/10.",
    "Pt states {he} is {age} and was born in {town}.",
    "Visited by {person_first} and {person_first} from {other_town}.",
    "CXR done {short_date}, read by Dr. {person_last}.",
    "Report to {person_first} on {unit}.",
    "Off pressors during {range}, bp now {bp}.",
    "Message left for {person_first} {person_last} at {phone}.",
    "Dr. {person_last} from {facility} called back at {phone} on {short_date}.",
    "Insurance card {account} with {employer}.",
    "Last dialysis {short_date} at {facility}.",
    "{patient_last} family meeting {date}, Dr. {doctor_last} present.",
    "Interpreter {person} reachable through {pager}.",
    "Seen by {person_first} of {employer}; records {record}, {range}.",
    "PT {patient_comma} transferred from {hospital}, {town}.",
    "Bed on {unit} given up, wife {person_first} told.",
    "Given {drug} {dose} mg {often} per Dr. {doctor_last}.",
    "Daughter flies in from {other_town} on {short_date}, phone {phone}.",
    "{age} yo seen {past}, contact {email}, unit {unit}.",
)

# Numbers and eponyms that look like something identifying, and are not.
DISTRACTORS = (
    "BP {bp}, HR {pulse}, RR {breaths}, sat {saturation}%.",
    "{eponym} by history, {sign} sign absent.",
    "Fio2 weaned to {percent}, abg {platelets}/{percent}.",
    "Tolerating {drug} {dose} q {small}h, k {potassium}.",
    "Strength {fraction} on the {side}, {device} in place.",
    "Suctioned {small}-{days} times, bs at {years}.",
    "Hct {hemoglobin} down from {hemoglobin} after {glucose} cc.",
    "Ambulated {platelets} feet x {small}, pain {small}/10.",
    "{eponym}: {drug} held, level {glucose}.",
    "Foley patent, u/o {percent}-{pulse} cc/h, {study} pending.",
)
