"""Sentences of invented chest radiograph reports that tell of change, with marks; see markup.py for the notation.

{changed_a} is a verb of change and {change_a} a noun, both marked Cos with the way it goes; Loc says where, Attr
what changed, Val how much, Ref what it is compared with. Of each five, three are for train, one for dev, one for
test.
"""

from __future__ import annotations

CHANGES = (
    "[Attr:a|{finding}] in the [Loc:a|{place}] {changed_a} {since}.",
    "[Attr:a|{finding}] of the [Loc:a|{place}] {changed_a}.",
    "{since_first}, [Val:a|{amount}] [Attr:a|{finding}] at the [Loc:a|{place}] {changed_a}.",
    "There is [Val:a|{amount}] {change_a} in the [Attr:a|{finding}] of the [Loc:a|{place}].",
    "{since_first}, the [Loc:a|{place}] shows {change_a} of the [Attr:a|{finding}].",
    "The [Attr:a|{finding}] {changed_a} {since}, now [Val:a|{amount}].",
    "[Val:a|{amount}] [Attr:a|{finding}] {changed_a} in the [Loc:a|{place}].",
    "The [Loc:a|{place}] [Attr:a|{finding}] {changed_a} {since}.",
    "{since_first}, there has been [Val:a|{amount}] {change_a} in [Attr:a|{finding}].",
    "{Change_a} of the [Loc:a|{place}] [Attr:a|{finding}], [Val:a|{amount}], {since}.",
    "[Attr:a|{finding}], [Val:a|{amount}], {changed_a} at the [Loc:a|{place}].",
    "In the [Loc:a|{place}], [Attr:a|{finding}] {changed_a} {since}.",
    "[Attr:a|{finding}] {changed_a}, and [Attr:b|{finding}] at the [Loc:b|{place}] "
    "{changed_b}.",
    "While the [Loc:a|{place}] [Attr:a|{finding}] {changed_a}, [Attr:b|{finding}] "
    "{changed_b}.",
    "Interpretation: {change_a} {since}, the [Attr:a|{finding}] of the [Loc:a|{place}] being "
    "[Val:a|{amount}].",
)  # fmt: skip

SINCE = (
    "since the [Ref|{study}]",
    "compared with the [Ref|{study}]",
    "from the [Ref|{study}]",
    "in the interval after the [Ref|{study}]",
    "relative to the [Ref|{study}]",
)

# The same words, and nothing has changed: no marks.
DISTRACTORS = (
    "No {finding} is seen in the {place}.",
    "The tip of the line projects over the {place}.",
    "Postoperative clips at the {place}, without {finding}.",
    "No evidence for {finding} on this single view.",
    "Technique limits assessment of the {place} for {finding}.",
    "The {study} was not available for review.",
    "Question of {finding} raised clinically is not borne out at the {place}.",
    "An {study} is recommended if symptoms call for it.",
    "Heart size is normal, and {finding} is absent.",
    "Ribs adjacent to the {place} are intact.",
)

# Words of change, by the way it goes: verbs and nouns in the same order of fives.
VERBS = {
    "worse": ("has increased", "has worsened", "is larger", "has enlarged", "is increasing",
              "has progressed", "is denser", "has developed", "has grown", "is progressing"),
    "better": ("has decreased", "has improved", "is smaller", "has diminished", "is decreasing",
               "has cleared", "has resolved", "is less", "has receded", "is resolving"),
    "same": ("is unchanged", "is stable", "has not changed", "is similar", "remains the same",
             "persists", "remains stable", "has stayed", "is comparable", "shows no change"),
}  # fmt: skip
NOUNS = {
    "worse": ("increase", "worsening", "enlargement", "growth", "progression"),
    "better": ("decrease", "improvement", "resolution", "reduction", "clearing"),
    "same": ("stability", "persistence", "no change", "stable appearance", "unchanged appearance"),
}

AMOUNTS = (
    "mild", "moderate", "marked", "slight", "minimal", "severe", "small", "considerable", "subtle", "mildly more",
    "large", "substantial", "trace", "modest", "moderately large",
)  # fmt: skip
SIDES = ("left", "right", "bilateral")
REGIONS = (
    "upper lobe", "lower lobe", "lung base", "apex", "hilum", "perihilar region", "costophrenic angle",
    "midlung zone", "retrocardiac region", "hemithorax", "paramediastinal region", "lingula", "lung periphery",
    "suprahilar region", "infrahilar region", "mid and lower lung", "cardiophrenic angle", "chest wall",
)  # fmt: skip
QUALITIES = (
    "patchy", "hazy", "linear", "reticular", "nodular", "basilar", "interstitial", "streaky", "layering",
    "confluent", "ill-defined", "rounded", "diffuse", "wedge-shaped", "ground-glass", "loculated",
)  # fmt: skip
FINDINGS = (
    "opacity", "effusion", "atelectasis", "consolidation", "edema", "masses", "pneumothorax", "thickening",
    "density", "infiltrate", "congestion", "air bronchograms", "volume loss", "scarring", "markings",
    "airspace disease",
)  # fmt: skip
STUDIES = (
    "prior study", "previous radiograph", "earlier film", "examination", "portable film", "chest CT", "last study",
    "comparison film", "outside study",
)  # fmt: skip
