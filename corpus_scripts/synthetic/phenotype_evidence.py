"""What decides each phenotype: sentences that show it, and sentences that name it without showing it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phenotype:
    """One label.

    shows (tuple): Sentences (templates) after which the label is true.
    denies (tuple): Sentences that use the same words and leave it false: negated, a relative's, a plan, a
        drill.
    """

    label: str
    shows: tuple[str, ...]
    denies: tuple[str, ...]


PHENOTYPES = (
    Phenotype(
        "ADVANCED.CANCER",
        shows=(
            "Restaging showed widely metastatic adenocarcinoma with new hepatic lesions of {size} cm.",
            "Oncology confirmed stage IV disease and spoke of palliative chemotherapy.",
            "Bone scan demonstrated diffuse osseous metastases.",
            "The tumor has progressed through {small} lines of chemotherapy.",
            "Known metastatic carcinoma with malignant pleural effusion, drained again for {platelets} mL.",
            "Palliative radiation to the spinal metastases was given over {days} days.",
            "Biopsy of the liver lesion returned metastatic carcinoma.",
        ),
        denies=(
            "There was no evidence of metastatic carcinoma on imaging.",
            "A sister died of metastatic carcinoma {years} years ago.",
            "Biopsy was negative for carcinoma and metastases were ruled out.",
        ),
    ),
    Phenotype(
        "ALCOHOL.ABUSE",
        shows=(
            "He drinks a pint of vodka daily and had a withdrawal seizure {weeks} weeks ago.",
            "Scored high on the CIWA scale and required lorazepam for alcohol withdrawal.",
            "Long history of alcohol abuse with {small} detox admissions.",
            "Thiamine and folate were given for heavy alcohol use, and tremors were noted.",
            "Last drink was on the morning of arrival; serum ethanol was {glucose}.",
            "Alcoholic cirrhosis with ongoing drinking of beer every day.",
            "Addiction counselling was offered for alcohol dependence.",
        ),
        denies=(
            "The patient denies alcohol abuse.",
            "Father had alcohol dependence, the patient does not drink.",
            "There was no history of alcohol withdrawal.",
        ),
    ),
    Phenotype(
        "CHRONIC.PAIN.FIBROMYALGIA",
        shows=(
            "Chronic pain of the lower back for {years} years, followed in the pain clinic.",
            "Fibromyalgia with diffuse tender points, on pregabalin.",
            "Takes long-acting oxycodone under a narcotics contract for chronic pain.",
            "The fentanyl patch was continued for chronic neuropathic pain.",
            "Epidural injections gave little relief from chronic back pain.",
            "The pain service adjusted methadone for her fibromyalgia.",
            "Chronic pain syndrome, rated {small} of ten on most days despite gabapentin.",
        ),
        denies=(
            "The patient denies chronic pain.",
            "A cousin carries a diagnosis of fibromyalgia.",
            "There was no history of fibromyalgia or chronic pain.",
        ),
    ),
    Phenotype(
        "DEMENTIA",
        shows=(
            "Baseline dementia with a mini-mental score of {small} of thirty.",
            "Donepezil and memantine were continued for Alzheimer dementia.",
            "The family reports years of memory decline; she no longer knows her children.",
            "Advanced vascular dementia, dependent in all activities of daily living.",
            "Wandered from the memory unit twice, sundowning each evening.",
            "Neuropsychology confirmed moderate Alzheimer dementia.",
            "Cannot give a history because of dementia; donepezil was restarted.",
        ),
        denies=(
            "Mother had Alzheimer dementia.",
            "Screening for dementia was negative.",
            "There was no sign of dementia on formal testing.",
        ),
    ),
    Phenotype(
        "DEPRESSION",
        shows=(
            "Major depression, on sertraline for {years} years.",
            "Endorses low mood and hopelessness; sertraline was increased.",
            "Psychiatry saw the patient for depression and passive suicidal thoughts.",
            "History of depression with a prior overdose; citalopram continues.",
            "Anhedonia and early waking point to a recurrent depressive episode.",
            "Citalopram was resumed for major depression.",
            "Depression screening questionnaire scored in the severe range, fluoxetine was begun.",
        ),
        denies=(
            "The patient denies depression.",
            "A brother was treated for major depression.",
            "Screening for depression was negative.",
        ),
    ),
    Phenotype(
        "NON.ADHERENCE",
        shows=(
            "Had stopped taking all tablets {weeks} weeks before arrival and missed {small} dialysis "
            "sessions.",
            "Long record of non-adherence with insulin and clinic visits.",
            "Left against medical advice twice this year and did not fill prescriptions.",
            "Non-compliance with medication was felt to be the cause of the exacerbation.",
            "Admits to skipping doses because he feels well without them; non-adherence was discussed.",
            "Missed the last {small} appointments and refused the home nurse.",
            "The pharmacy confirmed no refills for {weeks} weeks, consistent with non-adherence.",
        ),
        denies=(
            "There was no concern for non-adherence.",
            "The pharmacy confirmed regular refills, non-adherence was ruled out.",
            "The patient denies missing doses or appointments.",
        ),
    ),
    Phenotype(
        "OBESITY",
        shows=(
            "Morbid obesity with a body mass index of 4{small}.",
            "Weighs {glucose} kilograms; bariatric surgery was discussed for obesity.",
            "Exam limited by the obese habitus; a bariatric bed was ordered.",
            "Obesity hypoventilation, on positive pressure at night.",
            "Status post gastric bypass for morbid obesity.",
            "Obese, with a large pannus and intertrigo.",
            "Referred to the bariatric program for weight loss.",
        ),
        denies=(
            "There was no obesity, the habitus is thin.",
            "A daughter underwent bariatric surgery for obesity.",
            "Screening for obesity was negative, weight is in the normal range.",
        ),
    ),
    Phenotype(
        "SCHIZOPHRENIA.AND.OTHER.PSYCHIATRIC.DISORDERS",
        shows=(
            "Paranoid schizophrenia, on monthly haloperidol decanoate.",
            "Bipolar disorder with a recent manic episode; lithium level was {potassium}.",
            "Hears voices commanding him; risperidone was increased.",
            "Schizoaffective disorder, lives in a psychiatric group home.",
            "Clozapine was continued for schizophrenia with weekly counts.",
            "Admitted {small} times to the psychiatric ward for psychosis.",
            "Guarded and delusional; olanzapine was restarted for schizophrenia.",
        ),
        denies=(
            "An uncle has schizophrenia.",
            "The patient denies hearing voices, and psychosis was ruled out.",
            "There was no history of bipolar disorder or schizophrenia.",
        ),
    ),
)
LABELS = tuple(phenotype.label for phenotype in PHENOTYPES)
