"""Sentences of invented social histories, by topic, with marks; see markup.py for the notation.

The letter after the colon says to which event of the sentence a mention belongs; a mention of the event's own
name (Tobacco, Family …) is its trigger. A LivingSituation always begins with another mention, as in the original:
the published loader has no tag for its first word. Of each five, three are for train, one for dev, one for test.
"""

from __future__ import annotations

TOPICS: dict[str, tuple[str, ...]] = {
    "tobacco": (
        "[Status=none:a|Denies] [Tobacco:a|tobacco] use.",
        "[Tobacco:a|[Status=current:a|Smokes]] [Amount:a|{packs}] [Frequency:a|{each}] [ExposureHistory:a|{spell}].",
        "[Status=past:a|Quit] [Tobacco:a|smoking] [QuitHistory:a|{ago}] after [History:a|{packyears}].",
        "[Status=past:a|Former] [Tobacco:a|smoker], [History:a|{packyears}], [Status=past:a|stopped] "
        "[QuitHistory:a|{ago}].",
        "[Status=current:a|Uses] [Type:a|{product}], [Amount:a|{packs}] [Frequency:a|{each}].",
        "[Status=none:a|Never] a [Tobacco:a|smoker].",
        "[Tobacco:a|Tobacco]: [Status=current:a|yes], [Amount:a|{packs}] of [Type:a|{product}] "
        "[ExposureHistory:a|{spell}].",
        "[Status=current:a|Continues] to [Tobacco:a|smoke] [Type:a|{product}] [Temporal:a|{when}].",
        "A [Tobacco:a|smoking] history of [History:a|{packyears}], [Status=past:a|discontinued] "
        "[QuitHistory:a|{ago}].",
        "[Tobacco:a|Cigarette use] is [Status=current:a|ongoing] at [Amount:a|{packs}] [Frequency:a|{each}], "
        "[ExposureHistory:a|{spell}].",
    ),
    "alcohol": (
        "[Status=none:a|Denies] [Alcohol:a|alcohol].",
        "[Status=current:a|Drinks] [Amount:a|{glasses}] of [Alcohol:a|[Type:a|{drink}]] [Frequency:a|{each}].",
        "[Alcohol:a|Alcohol] [Status=past:a|stopped] [QuitHistory:a|{ago}], before that [Amount:a|{glasses}] "
        "[Frequency:a|{each}].",
        "[Alcohol:a|[Type:a|{drink}]] [Status=current:a|is taken] [Temporal:a|{when}].",
        "[Status=current:a|Has] [Amount:a|{glasses}] of [Type:a|{drink}] [Alcohol:a|drinks] [Frequency:a|{each}].",
        "[Status=none:a|Does not] [Alcohol:a|drink].",
        "[Alcohol:a|Ethanol]: [Amount:a|{glasses}] [Frequency:a|{each}] [Status=current:a|currently], "
        "[ExposureHistory:a|{spell}].",
        "[Status=past:a|Was] a [Alcohol:a|drinker] of [Type:a|{drink}] until [QuitHistory:a|{ago}].",
        "[Alcohol:a|Drinking] was [Status=past:a|heavy], [Amount:a|{glasses}] of [Type:a|{drink}], "
        "[Status=past:a|over] [QuitHistory:a|{ago}].",
        "[Status=current:a|Consumes] [Alcohol:a|[Type:a|{drink}]], [Amount:a|{glasses}], [Frequency:a|{each}].",
    ),
    "drug": (
        "[Status=none:a|No] [Type:a|illicit] [Drug:a|drugs].",
        "[Drug:a|[Type:a|{substance}]] [Method:a|{route}] [Status=past:a|in the past], last [QuitHistory:a|{ago}].",
        "[Status=current:a|Uses] [Drug:a|[Type:a|{substance}]] [Frequency:a|{each}], [Amount:a|{grams}] at a time.",
        "[Status=none:a|Denies] [Drug:a|drug use], [Type:a|recreational] or otherwise.",
        "[Status=past:a|Prior] [Drug:a|[Type:a|{substance}] use], [Method:a|{route}], ended [QuitHistory:a|{ago}].",
        "[Status=past:a|Formerly] [Method:a|{route}] [Drug:a|[Type:a|{substance}]], [History:a|{episodes}].",
        "[Drug:a|Drugs]: [Status=current:a|yes], [Type:a|{substance}], [ExposureHistory:a|{spell}].",
        "[Drug:a|Drugs] of [Type:a|any] kind are [Status=none:a|denied].",
        "[Status=current:a|Takes] [Drug:a|[Type:a|{substance}]] [Method:a|{route}] [Temporal:a|{when}].",
        "[Drug:a|[Type:a|{substance}]], [Amount:a|{grams}] [Frequency:a|{each}] [Method:a|{route}], is "
        "[Status=current:a|admitted].",
    ),
    "occupation": (
        "[Occupation:a|[Status=current:a|Works]] as [Type:a|{job}] at [Location:a|{workplace}].",
        "[Status=past:a|Retired] [Occupation:a|[Type:a|{job}]], [Extent:a|{years_of}] at [Location:a|{workplace}].",
        "[Occupation:a|[Status=current:a|Employed]] [Extent:a|{hours}] in [Location:a|{workplace}].",
        "[Status=current:a|Is] [Occupation:a|[Type:a|{job}]] [Temporal:a|{when}], [Extent:a|{hours}].",
        "[Occupation:a|Occupation]: [Type:a|{job}], [Status=past:a|disabled] [Temporal:a|{when}].",
        "[Occupation:a|[Status=past:a|Worked]] [Extent:a|{years_of}] as [Type:a|{job}].",
        "[Status=none:a|Unemployed], [Occupation:a|formerly [Type:a|{job}]] at [Location:a|{workplace}].",
        "[Status=current:a|Has] [Occupation:a|a job] as [Type:a|{job}], [Extent:a|{hours}].",
        "[Occupation:a|Work] as [Type:a|{job}] [Status=past:a|ended] [Temporal:a|{when}].",
        "[Location:a|{workplace}] [Status=current:a|employs] the patient as [Occupation:a|[Type:a|{job}]] "
        "[Extent:a|{hours}].",
    ),
    "marital": (
        "[Status=current:a|Is [MaritalStatus:a|[Type:a|married]]] [Temporal:a|{spell}].",
        "[MaritalStatus:a|[Type:a|Divorced]] [Temporal:a|{ago}].",
        "[MaritalStatus:a|[Type:a|Single]], [Status=none:a|never] [MaritalStatus:b|married].",
        "[MaritalStatus:a|[Type:a|Widowed]] [Status=current:a|now], [Temporal:a|{ago}].",
        "[Status=past:a|Was] [MaritalStatus:a|[Type:a|separated]] [Temporal:a|{ago}].",
        "[Status=current:a|Remains [MaritalStatus:a|[Type:a|engaged]]].",
        "[MaritalStatus:a|[Type:a|Married]] [Amount:a|twice].",
        "[MaritalStatus:a|Marital status]: [Type:a|partnered], [Temporal:a|{spell}].",
        "A [MaritalStatus:a|[Type:a|widow]] [Temporal:a|{ago}], [Status=past:a|wed] [Amount:a|once].",
        "[MaritalStatus:a|Marriage] [Status=past:a|annulled] [Temporal:a|{ago}].",
    ),
    "family": (
        "Has [Family:a|[Amount:a|{count}] [Type:a|{relatives}]], [LivingStatus:a|alive] and well.",
        "[Family:a|[Type:a|{relative}]] [LivingStatus:a|died] of [MedicalCondition:a|{illness}].",
        "[Family:a|[Type:a|{relative}]] has [MedicalCondition:a|{illness}], [Other:a|{remark}].",
        "[Family:a|[Amount:a|{count}] [Type:a|{relatives}]], [Other:a|{remark}].",
        "[Family:a|[Type:a|{relative}]] [LivingStatus:a|living], with [MedicalCondition:a|{illness}] "
        "[Temporal:a|{when}].",
        "The [Family:a|[Type:a|{relative}]] is [LivingStatus:a|deceased] [Temporal:a|{ago}].",
        "There are [Family:a|[Amount:a|{count}] [Type:a|{relatives}]]; one has [MedicalCondition:a|{illness}].",
        "[Family:a|[Amount:a|{count}] [Type:a|{relatives}]] are [LivingStatus:a|healthy], [Other:a|{remark}].",
        "[Family:a|[Type:a|{relative}]] [LivingStatus:a|passed away] from [MedicalCondition:a|{illness}], "
        "[Other:a|{remark}].",
        "Of [Family:a|[Amount:a|{count}] [Type:a|{relatives}]], all are [LivingStatus:a|surviving] despite "
        "[MedicalCondition:a|{illness}].",
    ),
    "residence": (
        "[Residence:a|[Status=current:a|Lives]] in [Location:a|{place}] [Temporal:a|{spell}].",
        "[Residence:a|Residence]: [Type:a|{home}], [Location:a|{place}].",
        "[Status=past:a|Moved] from [Residence:a|[Location:a|{place}]] [Temporal:a|{ago}].",
        "[Residence:a|[Status=current:a|Resides]] in [Type:a|{home}] near [Location:a|{place}].",
        "[Residence:a|Home] [Status=current:a|is] [Type:a|{home}] at [Location:a|{place}], reached "
        "[Method:a|{travel}].",
        "[Status=past:a|Born] and [Residence:a|raised] in [Location:a|{place}].",
        "[Residence:a|[Status=current:a|Stays]] at [Type:a|{home}] [Temporal:a|{when}].",
        "[Residence:a|Housing]: [Status=none:a|homeless] [Temporal:a|{spell}], last at [Location:a|{place}].",
        "[Residence:a|[Type:a|{home}]] in [Location:a|{place}] [Status=current:a|occupied] [Temporal:a|{spell}].",
        "[Status=current:a|Settled] in [Residence:a|[Location:a|{place}]], [Type:a|{home}].",
    ),
    "living": (
        "[LivingSituation:a|[Status=current:a|Lives] [Method:a|alone]].",
        "[LivingSituation:a|[Status=current:a|Lives] with] [Method:a|{company}].",
        "[LivingSituation:a|[Method:a|Shares a room]] with [Method:a|{company}], [Status=current:a|for now].",
        "[LivingSituation:a|[Status=past:a|Lived]] [Method:a|{company_with}] [Temporal:a|{when}].",
        "[LivingSituation:a|[Status=current:a|Living]] [Method:a|{company_with}] [Temporal:a|{spell}].",
        "[LivingSituation:a|[Status=current:a|Is cared for]] by [Method:a|{company}] [Temporal:a|{when}].",
        "[LivingSituation:a|[Status=current:a|Staying]] [Method:a|{company_with}].",
        "[LivingSituation:a|[Status=current:a|Is at home]] [Method:a|{company_with}] as before.",
        "[LivingSituation:a|[Status=current:a|Keeps house]] [Method:a|{company_with}] [Temporal:a|{spell}].",
        "[LivingSituation:a|[Method:a|{company}]] [Status=current:a|shares the house].",
    ),
    "exposure": (
        "[Status=none:a|No] exposure to [EnvironmentalExposure:a|[Type:a|{hazard}]].",
        "[Status=past:a|Exposed] to [EnvironmentalExposure:a|[Type:a|{hazard}]] [Temporal:a|{ago}].",
        "[EnvironmentalExposure:a|[Type:a|{hazard}]] [Status=current:a|at work], [Amount:a|{grams}] "
        "[Frequency:a|{each}].",
        "[Status=none:a|Denies] [EnvironmentalExposure:a|[Type:a|{hazard}]], "
        "[EnvironmentalExposure:b|[Type:b|{hazard}]].",
        "[Status=past:a|Handled] [EnvironmentalExposure:a|[Type:a|{hazard}]] [Method:a|{protection}].",
        "[Status=past:a|Past] contact with [EnvironmentalExposure:a|[Type:a|{hazard}]] [Frequency:a|{each}].",
        "[EnvironmentalExposure:a|Exposures]: [Type:a|{hazard}], [Status=current:a|ongoing].",
        "[EnvironmentalExposure:a|[Type:a|{hazard}]] was [Status=past:a|inhaled] [Temporal:a|{when}].",
        "[Status=current:a|Works around] [EnvironmentalExposure:a|[Type:a|{hazard}]] [Method:a|{protection}], "
        "[Frequency:a|{each}].",
        "[EnvironmentalExposure:a|[Type:a|{hazard}]] contact [Status=past:a|ceased] [Temporal:a|{ago}].",
    ),
    "activity": (
        "[Status=current:a|Exercises]: [PhysicalActivity:a|[Type:a|{sport}]] [Frequency:a|{each}].",
        "[PhysicalActivity:a|[Type:a|{sport}]] [Amount:a|{minutes}] [Frequency:a|{each}].",
        "[Status=none:a|No] regular [PhysicalActivity:a|exercise].",
        "[Status=current:a|Enjoys] [PhysicalActivity:a|[Type:a|{sport}]], [Amount:a|{minutes}] [Temporal:a|{when}].",
        "[PhysicalActivity:a|Activity]: [Type:a|{sport}], [Amount:a|{minutes}], [Status=current:a|still].",
        "[Status=past:a|Used to do] [PhysicalActivity:a|[Type:a|{sport}]] [Temporal:a|{when}].",
        "[PhysicalActivity:a|[Type:a|{sport}]] is [Status=current:a|done] [Frequency:a|{each}].",
        "[Status=none:a|Avoids] [PhysicalActivity:a|[Type:a|{sport}]] [Temporal:a|{when}].",
        "[Status=past:a|Gave up] [PhysicalActivity:a|[Type:a|{sport}]] [Temporal:a|{ago}].",
        "[PhysicalActivity:a|[Type:a|{sport}]], [Amount:a|{minutes}], [Status=current:a|keeps] going "
        "[Frequency:a|{each}].",
    ),
    "sexual": (
        "[Status=current:a|Sexually active] with [SexualHistory:a|[Amount:a|{count}] [Type:a|{partners}]].",
        "[Status=none:a|Not] [SexualHistory:a|sexually active] [Temporal:a|{spell}].",
        "[SexualHistory:a|Sexual history]: [Amount:a|{count}] [Type:a|{partners}], [Method:a|{protection}].",
        "[SexualHistory:a|Intercourse] [Status=current:a|yes], [Method:a|{protection}].",
        "[SexualHistory:a|[Type:a|{partners}]], [Amount:a|{count}] [Temporal:a|{when}], [Status=current:a|active].",
        "[Status=past:a|Previously had] [SexualHistory:a|[Amount:a|{count}] [Type:a|{partners}]].",
        "[SexualHistory:a|Sexual activity] [Status=none:a|none] [Temporal:a|{when}].",
        "[SexualHistory:a|Intimacy] [Status=past:a|not] [Temporal:a|{ago}].",
        "[Status=current:a|Reports] [SexualHistory:a|[Amount:a|{count}] [Type:a|{partners}]] [Method:a|{protection}].",
        "[SexualHistory:a|Partners]: [Amount:a|{count}] [Type:a|{partners}], [Status=past:a|before].",
    ),
    "infection": (
        "[Status=none:a|No] history of [InfectiousDiseases:a|[Type:a|{infection}]].",
        "[InfectiousDiseases:a|[Type:a|{infection}]] [Status=past:a|treated] [Temporal:a|{ago}].",
        "[Status=none:a|Denies] [InfectiousDiseases:a|[Type:a|{infection}]] or "
        "[InfectiousDiseases:b|[Type:b|{infection}]].",
        "[Status=past:a|Had] [InfectiousDiseases:a|[Type:a|{infection}]] [Temporal:a|{when}].",
        "[InfectiousDiseases:a|[Type:a|{infection}]] [Status=current:a|positive] [Temporal:a|{when}].",
        "[InfectiousDiseases:a|Infections]: [Status=past:a|prior] [Type:a|{infection}].",
        "[Status=current:a|Carries] [InfectiousDiseases:a|[Type:a|{infection}]] [Temporal:a|{spell}].",
        "[InfectiousDiseases:a|[Type:a|{infection}]]: [Status=none:a|negative].",
        "[Status=past:a|Cured] of [InfectiousDiseases:a|[Type:a|{infection}]] [Temporal:a|{ago}].",
        "[InfectiousDiseases:a|[Type:a|{infection}]] screening [Status=none:a|clear] [Temporal:a|{when}].",
    ),
}  # fmt: skip

# The same words about somebody or something else, without marks.
DISTRACTORS = (
    "Counselled on what {product} can do.",
    "The chart of a roommate mentions {substance}.",
    "A leaflet about {hazard} was handed out.",
    "Insurance asks for {minutes} of {sport}.",
    "A neighbor called about {infection}.",
    "Parking is at {workplace}.",
    "The form lists {drink} and {product}.",
    "An interpreter from {place} was present.",
    "Advised that {glasses} would be too much.",
    "The interview took {minutes}, delayed by {job}.",
)
