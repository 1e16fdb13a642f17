"""Clauses that relate a chemical {c} to a gene {g}, by class, for stand-ins of ChemProt.

CPR:3 up-regulation, CPR:4 down-regulation, CPR:5 agonist, CPR:6 antagonist, CPR:9 substrate or product, false:
none of these. Of each five, three are for train, one for dev, one for test; those say the same with other forms
of the words.
"""

from __future__ import annotations

CLAUSES = {
    "CPR:3": (
        "{c} increased the expression of {g}",
        "{c} activates {g}",
        "{g} levels were elevated by {c}",
        "{c} caused a rise in {g} mRNA",
        "up-regulation of {g} followed treatment with {c}",
        "{c} induced {g} in a dose-dependent way",
        "{g} was stimulated by {c}",
        "{c} enhanced transcription of {g}",
        "{g} promoter activity went up under {c}",
        "a marked activation of {g} was seen in the presence of {c}",
    ),
    "CPR:4": (
        "{c} inhibited {g}",
        "{c} reduced the expression of {g}",
        "{g} activity was suppressed by {c}",
        "{c} was a potent inhibitor of {g}",
        "blockade of {g} function was achieved with {c}",
        "{c} down-regulated {g} mRNA",
        "{g} was blocked by low doses of {c}",
        "{c} diminished the activity of {g}",
        "{g} protein fell after exposure to {c}",
        "an inhibition of {g} was produced by {c}",
    ),
    "CPR:5": (
        "{c} is a full agonist of {g}",
        "{c} acted as a partial agonist at {g}",
        "{g} agonists such as {c} were tested",
        "the agonist {c} binds {g}",
        "agonism at {g} explains the effect of {c}",
        "{c}, an agonist for {g}, was infused",
        "{g} responded to its agonist {c}",
        "{c} showed agonist potency towards {g}",
        "as an agonist, {c} was selective for {g}",
        "agonistic binding of {c} to {g} was measured",
    ),
    "CPR:6": (
        "{c} is a competitive antagonist of {g}",
        "{c} antagonized {g}",
        "the {g} antagonist {c} was given",
        "{c} behaved as an antagonist at {g}",
        "antagonism of {g} by {c} was reversible",
        "{g} antagonists, including {c}, were compared",
        "{g} was antagonized with {c}",
        "{c}, an antagonist for {g}, was injected",
        "pretreatment with {c} as an antagonist left {g} silent",
        "antagonistic effects of {c} on {g} were noted",
    ),
    "CPR:9": (
        "{c} is metabolized by {g}",
        "{g} catalyzes the oxidation of {c}",
        "{c} is a substrate of {g}",
        "{g} converts the precursor to {c}",
        "hydrolysis of {c} requires {g}",
        "{c} was transported by {g}",
        "the enzyme {g} produces {c}",
        "{g} mediates the uptake of {c}",
        "{c} is formed from its precursor through {g}",
        "{c} serves {g} as a substrate",
    ),
    "false": (
        "{c} had no effect on {g}",
        "both {c} and {g} were measured in plasma",
        "{c} did not change the level of {g}",
        "{g} genotype was recorded before {c} was started",
        "neither {c} nor an antibody to {g} was used",
        "{g} was not inhibited by {c}",
        "samples were incubated with {c} and stained for {g}",
        "the role of {g} in patients given {c} is unknown",
        "{c} failed to activate {g}",
        "no relation of {c} to {g} could be shown",
    ),
}
LABELS = tuple(CLAUSES)

OPENINGS = (
    "We found that ", "In cultured {tissue} cells, ", "These results show that ", "In {line} cells, ", "At {n} h, ",
    "Our data suggest that ", "In {tissue} microsomes, ", "Taken together, ", "In vitro, ",
    "It was observed that ", "After {n} days, ", "Using {line} cells, we noted that ", "Here, ", "In rats, ",
    "From experiment {n} it follows that ",
)  # fmt: skip
CLOSINGS = (
    " (p < 0.0{n}).", ", as reported before for {tissue} tissue.", ".", " after {n} doses.", " in {line} cells.",
    ', consistent with a "two-site" model of {tissue} cells.', " in {tissue} tissue.", ", with a Ki of {n}.{n} nM.",
    " in the cohort of {n}.", " at {n} microM.",
)  # fmt: skip
JOINTS = (
    ", whereas ", ", while ", "; in contrast, ", ", and ", " but ", ", although ", "; at the same time, ",
    ", even though ", "; by comparison, ", "; conversely, ",
)  # fmt: skip

CHEMICAL_HEADS = [
    "al",
    "bi",
    "cor",
    "da",
    "fen",
    "gli",
    "hal",
    "imi",
    "ket",
    "lu",
    "mor",
    "nar",
    "oxa",
    "pra",
    "qui",
    "ral",
    "sul",
    "tri",
    "ura",
    "vel",
    "xan",
    "zol",
]
CHEMICAL_MIDDLES = ["be", "ca", "di", "fo", "la", "mi", "no", "pa", "ri", "so", "ta", "ve", "xi", "zo"]
CHEMICAL_TAILS = [
    "dine",
    "fen",
    "lamide",
    "mide",
    "nazole",
    "nol",
    "one",
    "pril",
    "ride",
    "statin",
    "tane",
    "tidine",
    "vir",
    "xacin",
    "zepam",
    "zine",
]
TISSUES = [
    "liver",
    "kidney",
    "lung",
    "heart",
    "brain",
    "muscle",
    "skin",
    "gut",
    "bone",
    "spleen",
    "nerve",
    "retina",
]
GENE_SUFFIXES = ("", "", "", " receptor", " kinase", "-alpha", "-beta", " reductase")
