"""What stands in the slots of invented social histories: shapes of many texts each.

A shape takes one option of each group in braces. The words n and m are numbers; the options place and brand are
invented names.
"""

from __future__ import annotations

SHAPES = {
    "product": "{brand} {cigarettes|cigars|pipe tobacco|chewing tobacco|snuff|menthols|cigarillos|vapes}",
    "drink": "{brand} {beer|wine|vodka|whiskey|rum|gin|cider|ale|liqueur|sherry}",
    "substance": (
        "{brand|black|white|street|brown} {marijuana|cocaine|heroin|crack|speed|crystal|opium|hashish|pills}"
    ),
    "job": (
        "{a|an assistant|a senior|a night|a part-time} {teacher|welder|cook|nurse|clerk|driver|"
        "farmer|painter|plumber|librarian|carpenter|tailor|baker|engineer|janitor|pilot}"
    ),
    "workplace": (
        "{a|the|an old|a large} {place} {mill|school|bakery|bank|office|shipyard|warehouse|"
        "foundry|farm|store|plant}"
    ),
    "home": (
        "{a|a small|an old|a shared} {house|apartment|trailer|farmhouse|condominium|shelter|"
        "nursing home|cabin|duplex}{| with stairs| on one floor| without heat}"
    ),
    "place": "{place}",
    "company": (
        "{her|his|an elderly|a younger|two|the} {spouse|partner|sister|brother|cousins|daughter|"
        "son|aunt|friend|roommates|parents|grandson|niece}{| and a dog| and a cat| and a tenant}"
    ),
    "company_with": (
        "with {her|his|an elderly|a younger|two} {spouse|partner|sister|brother|cousins|daughter|"
        "son|aunt|friend|roommates|parents|grandson|niece}{| part of the week| upstairs}"
    ),
    "relative": (
        "{maternal|paternal|older|younger|} {mother|father|sister|brother|uncle|aunt|grandmother|"
        "grandfather|cousin|nephew}"
    ),
    "relatives": (
        "{grown|young|adopted|older|} {children|sons|daughters|brothers|sisters|stepchildren|"
        "grandchildren|cousins}"
    ),
    "illness": (
        "{severe|early|advanced|mild|familial} {heart disease|stroke|diabetes|lung cancer|kidney "
        "failure|asthma|gout|glaucoma|anemia|epilepsy}"
    ),
    "hazard": (
        "{raw|fine|burnt|industrial|spilled|airborne} {asbestos|lead dust|solvents|silica|fumes|"
        "pesticides|grain dust|benzene|paint thinner|coal dust|mercury}"
    ),
    "sport": (
        "{brisk|indoor|light|gentle|weekend|water} {walking|swimming|cycling|rowing|yoga|tennis|"
        "jogging|aerobics|weight lifting|dancing|golf}"
    ),
    "partners": (
        "{male|female|steady|casual|long-term} {partners|contacts|companions|boyfriends|girlfriends}"
    ),
    "infection": (
        "{chronic|latent|acute|recurrent|} {hepatitis B|hepatitis C|tuberculosis|gonorrhea|"
        "chlamydia|syphilis|herpes|HIV|malaria|shingles}"
    ),
    "remark": (
        "{lives nearby|visits often|out of state|no contact|adopted|helps at home|in the army|in "
        "college}{| most days| since spring| this year}"
    ),
    "protection": (
        "with {a|an|no|the usual|double} {respirator|condoms|mask|gloves|barrier|goggles|pill|shield}"
    ),
    "route": (
        "{by injection|smoked|snorted|by mouth|intravenously|inhaled|under the tongue}{| only| "
        "mostly| at parties}"
    ),
    "travel": "by {bus|ferry|car|train|bicycle|foot}{| only| mostly| in summer}",
    "packs": "{half a|a|n|n to m|about n} {pack|packs|tins|boxes|pouches}",
    "packyears": "{n|about n|over n} {pack-year history|pack years|pack-years}",
    "each": ("{per|a|each|every} {day|week|month|weekend|evening|morning}{| or so| at most| on average}"),
    "glasses": "{n|n to m|about n|up to n} {glasses|cans|bottles|pints|shots|drinks}",
    "grams": "{n|about n|up to n} {grams|ounces|bags|units}",
    "minutes": "{n|about n|up to n} {minutes|miles|laps|hours|blocks}",
    "spell": "for {n|about n|over n|nearly n} {years|months|decades|weeks}",
    "ago": "{n|about n|over n|nearly n} {years|months|decades|weeks} ago",
    "years_of": "{n|about n|over n|nearly n} {years|decades|seasons} of service",
    "hours": "{n|about n|up to n} hours a {day|week|shift}",
    "when": ("{since|until|in|around} {last|this|early|late} {spring|summer|autumn|winter|month|year|week}"),
    "episodes": "{n|about n|over n} {episodes|rehab stays|relapses|attempts}",
    "count": "{n}{| known| or so| total}",
}
