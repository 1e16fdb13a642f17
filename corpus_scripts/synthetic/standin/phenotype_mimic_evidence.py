"""Evidence for the fourteen labels of Phenotype: eight from the embedded corpus with more sentences, six new.

Of each five sentences, three are for train, one for dev, one for test.
"""

from __future__ import annotations

from corpus_scripts.synthetic.phenotype_evidence import PHENOTYPES as EMBEDDED
from corpus_scripts.synthetic.phenotype_evidence import Phenotype

# Label → three more sentences that show it, two that deny it.
_MORE = {
    "ADVANCED.CANCER": (
        (
            "Imaging was consistent with spread of the known tumor to liver and bone.",
            "Hospice was arranged because the malignancy had spread despite treatment.",
            "End-stage malignancy with brain metastases, no further chemotherapy planned.",
        ),
        (
            "The nodule was biopsied and no metastatic cells were seen.",
            "An aunt received palliative chemotherapy for a carcinoma; the patient has none.",
        ),
    ),
    "ALCOHOL.ABUSE": (
        (
            "Brought in intoxicated, with an alcohol level of {glucose}.",
            "Delirium tremens on day {small}, with a long habit of whiskey.",
            "Drinks {small} bottles of wine each evening and has failed detox.",
        ),
        (
            "No tremor, no alcohol on the breath, never a drinker.",
            "The roommate was seen for alcohol withdrawal and detox.",
        ),
    ),
    "CHRONIC.PAIN.FIBROMYALGIA": (
        (
            "Long-standing pain of neck and shoulders, on a fentanyl patch for {years} years.",
            "Has a pain contract and takes methadone for chronic leg pain.",
            "Widespread tender points; the pain clinic continues gabapentin for fibromyalgia.",
        ),
        (
            "Pain was acute, after the fall, and is not chronic.",
            "A sister attends the pain clinic for fibromyalgia.",
        ),
    ),
    "DEMENTIA": (
        (
            "Memory has failed for {years} years, and donepezil brought no change.",
            "Demented at baseline, not oriented, lives on a memory unit.",
            "Progressive Alzheimer disease, needs help with feeding and dressing.",
        ),
        (
            "The confusion cleared with fluids, and dementia was not thought likely.",
            "A husband with Alzheimer dementia lives on a memory unit.",
        ),
    ),
    "DEPRESSION": (
        (
            "Tearful, with little appetite; citalopram was begun for depression.",
            "Followed by psychiatry after a suicide attempt {weeks} weeks ago, remains hopeless.",
            "On fluoxetine for recurrent depressive episodes with low mood.",
        ),
        (
            "Mood is good, no depression was found by psychiatry.",
            "A daughter takes sertraline for depression.",
        ),
    ),
    "NON.ADHERENCE": (
        (
            "Stopped warfarin on {small} occasions against advice.",
            "Has not come to clinic for {weeks} weeks and does not take insulin as told.",
            "Signed out against medical advice, pills left untouched.",
        ),
        (
            "Takes all tablets as told, and no doses were missed.",
            "A brother was non-compliant with his medication.",
        ),
    ),
    "OBESITY": (
        (
            "Habitus is obese, {glucose} kilograms, and no suitable scanner was found.",
            "Seen by the bariatric surgeons, body mass index 4{small}.",
            "Severely overweight with obesity hypoventilation at night.",
        ),
        (
            "Cachectic, far from obese, {percent} kilograms.",
            "The bariatric bed was borrowed for another patient.",
        ),
    ),
    "SCHIZOPHRENIA.AND.OTHER.PSYCHIATRIC.DISORDERS": (
        (
            "Known bipolar illness, manic on arrival, lithium resumed.",
            "Voices and paranoia, stays in a psychiatric group home, on clozapine.",
            "Delusions of the neighbors, olanzapine raised by psychiatry.",
        ),
        (
            "Hallucinations came from fever, and schizophrenia was not considered.",
            "A nephew is on lithium for bipolar disorder.",
        ),
    ),
}
_NEW = (
    Phenotype(
        "ADVANCED.HEART.DISEASE",
        shows=(
            "End-stage heart failure with an ejection fraction of 1{small}%.",
            "Severe ischemic cardiomyopathy, listed for transplant.",
            "Milrinone was continued at home for advanced heart failure.",
            "NYHA class IV, breathless at rest from cardiomyopathy.",
            "A ventricular assist device was discussed for end-stage cardiomyopathy.",
            "Fourth admission this year for decompensated heart failure, on milrinone.",
            "Dilated cardiomyopathy with an ejection fraction of 1{small}% and a defibrillator.",
            "Transplant evaluation for heart failure of class IV was begun.",
            "Refractory heart failure, inotropes could not be weaned.",
            "Assist device in place for a failing left ventricle.",
        ),
        denies=(
            "There was no sign of heart failure, and the ventricle is of normal size.",
            "Father had end-stage cardiomyopathy.",
            "Cardiomyopathy was ruled out by echocardiogram.",
            "Heart failure was asked about, and denied.",
            "A cousin is listed for transplant for a cardiomyopathy.",
        ),
    ),
    Phenotype(
        "ADVANCED.LUNG.DISEASE",
        shows=(
            "Severe emphysema on {small} liters of home oxygen.",
            "End-stage pulmonary fibrosis, oxygen around the clock.",
            "Idiopathic pulmonary fibrosis with honeycombing, referred for lung transplant.",
            "Chronic obstructive disease of the last stage, intubated {small} times.",
            "Oxygen-dependent emphysema, breathless when dressing.",
            "FEV1 of 2{small}% predicted from chronic obstructive disease.",
            "Home oxygen and steroids for severe interstitial fibrosis.",
            "Interstitial lung disease has advanced, oxygen raised to {small} liters at home.",
            "Carbon dioxide retainer, on home oxygen and nightly mask for emphysema.",
            "Lung transplant work-up for fibrosis, hypoxic at rest.",
        ),
        denies=(
            "No emphysema or fibrosis on imaging.",
            "Mother is on home oxygen for emphysema.",
            "Pulmonary fibrosis was ruled out.",
            "Never needed home oxygen.",
            "A brother had a lung transplant for fibrosis.",
        ),
    ),
    Phenotype(
        "CHRONIC.NEUROLOGICAL.DYSTROPHIES",
        shows=(
            "Multiple sclerosis with spastic legs, wheelchair for {years} years.",
            "Amyotrophic lateral sclerosis, with a feeding tube.",
            "Muscular dystrophy since childhood, ventilated at night.",
            "Myasthenia gravis on pyridostigmine, with ptosis.",
            "Huntington chorea with falls and weight loss.",
            "Progressive sclerosis of the lateral columns, speech by board.",
            "Interferon was held for relapsing multiple sclerosis.",
            "Dystrophy with contractures, cough assist twice a day.",
            "Bulbar weakness from myasthenia, plasma exchange begun.",
            "Chair-bound from long-standing multiple sclerosis, baclofen pump in place.",
        ),
        denies=(
            "No lesions of multiple sclerosis on imaging.",
            "A niece has muscular dystrophy.",
            "Myasthenia was ruled out by antibodies.",
            "The baclofen pump belonged to a patient of the same room.",
            "An uncle died of amyotrophic lateral sclerosis.",
        ),
    ),
    Phenotype(
        "DEVELOPMENTAL.DELAY.RETARDATION",
        shows=(
            "Developmental delay since birth, lives in a group home with aides.",
            "Cerebral palsy with intellectual disability, non-verbal at baseline.",
            "Down syndrome, with a guardian for all decisions.",
            "Intellectual disability of moderate degree, attends a day program.",
            "Trisomy with developmental delay and seizures.",
            "Group home staff report the non-verbal patient eats less.",
            "A state guardian consents, as intellectual disability is severe.",
            "Cerebral palsy, fed by aides, smiles to voice.",
            "Delayed from infancy, signs a few words, guardian at bedside.",
            "Baseline of a young child owing to a birth injury; aides are with him.",
        ),
        denies=(
            "Milestones were met, no developmental delay.",
            "A grandchild has Down syndrome.",
            "Works as an aide in a group home for intellectual disability.",
            "No guardian is needed, the mind is clear.",
            "A sibling with cerebral palsy lives at home.",
        ),
    ),
    Phenotype(
        "OTHER.SUBSTANCE.ABUSE",
        shows=(
            "Injects heroin daily, last {small} hours before arrival.",
            "Urine screen positive for cocaine, as {small} times before.",
            "Opioid use disorder on methadone maintenance.",
            "Crack cocaine use with chest discomfort after smoking.",
            "Found with needles, naloxone reversed an overdose.",
            "Withdrawal from heroin was treated with clonidine.",
            "Snorts cocaine on weekends and injects when he can.",
            "Overdosed on heroin, revived with naloxone in the street.",
            "Relapsed to cocaine after {weeks} weeks in a program.",
            "Track marks on both arms, methadone dose confirmed.",
        ),
        denies=(
            "Urine screen negative for cocaine and opioids.",
            "Denies heroin, cocaine and needles.",
            "A partner injects heroin, the patient does not.",
            "No overdose, no track marks.",
            "Her son is on methadone maintenance.",
        ),
    ),
    Phenotype(
        "UNSURE",
        shows=(
            "It remains unclear from the records whether this is a chronic condition.",
            "The history is conflicting and could not be verified.",
            "Outside records are incomplete, and the diagnosis is uncertain.",
            "Whether the condition is advanced cannot be told from this note.",
            "The informant contradicts the patient, no conclusion was reached.",
            "Diagnosis uncertain, records awaited.",
            "Verification of the history was not possible.",
            "Accounts conflict, so the diagnosis is left open.",
            "Nothing certain can be said, the outside records never came.",
            "The question of a chronic condition is left unresolved.",
        ),
        denies=(
            "The history was verified and is clear.",
            "Outside records came and are complete.",
            "The diagnosis is certain.",
            "No conflict between informant and patient.",
            "All records were reviewed, nothing is open.",
        ),
    ),
)
PHENOTYPES = tuple(
    sorted(
        (
            *(
                Phenotype(one.label, one.shows + _MORE[one.label][0], one.denies + _MORE[one.label][1])
                for one in EMBEDDED
            ),
            *_NEW,
        ),
        key=lambda one: one.label,
    )
)
LABELS = tuple(one.label for one in PHENOTYPES)
