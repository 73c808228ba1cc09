"""The words for days in English and Spanish, without accents."""

from __future__ import annotations

import re

MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
    "ene": 1, "abr": 4, "ago": 8, "dic": 12,
}  # fmt: skip
MONTH = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?|enero|ene|febrero|marzo|abril|abr|mayo|junio|julio|agosto|ago|septiembre|setiembre|"
    r"octubre|noviembre|diciembre|dic"
)
WEEKDAYS = {
    "mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6,
    "lun": 0, "mar": 1, "mie": 2, "jue": 3, "vie": 4, "sab": 5, "dom": 6,
}  # fmt: skip
# Short names count where they cannot be another word: "sat down", "the sun", "Mar 24".
WEEKDAY = re.compile(
    r"\b(?:(?i:mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?|lunes|martes|miercoles|jueves|viernes|"
    r"sabados?|domingos?)\b|(?i:mon|tues?|weds?|thurs?|thur?|fri|lun|mie|jue|vie|sab|dom)\b|S(?:at|un)\b(?! ?(?:strip|roof|shade|"
    r"damage|protection|block|visor|glare|rays?|light|heat|exposure|is|was))|(?i:sat|sun)(?=,| ?-| \d| at\b| (?i:am|pm|morning|"
    r"afternoon|closed|we|nov|dec|jan|feb|mar|apr|may|jun|jul|aug|sep|oct)\b)|(?i:mar)(?=,? \d{1,2} (?:de )?(?:ene|feb|mar|abr|"
    r"may|jun|jul|ago|sep|oct|nov|dic)|, ))"
)
_EVERY = frozenset(range(7))
WEEKS = (
    (re.compile(r"\b(?:weekdays?|entre semana)\b", re.IGNORECASE), frozenset(range(5))),
    (re.compile(r"\b(?:weekends?|fin(?:es)? de semana)\b", re.IGNORECASE), frozenset({5, 6})),
    (
        re.compile(
            r"\b(?:every ?day|daily|7 days(?: a week|/week)?|todos los dias|diario|24/7|all week)(?!\w)",
            re.IGNORECASE,
        ),
        _EVERY,
    ),
)
RELATIVE = tuple(
    (re.compile(pattern, re.IGNORECASE), ahead)
    for pattern, ahead in (
        (r"\bday after tomorrow\b|\bpasado manana\b", 2),
        (r"(?<!after )\b(?:tomorrow|tmrw|tmr)\b|(?<!la )(?<!esta )(?<!pasado )(?<!las )\bmanana\b", 1),
        (r"\b(?:today|tonight|hoy|this (?:morning|afternoon|evening)|esta (?:manana|tarde|noche))\b", 0),
        (r"\b(?:yesterday|ayer)\b", -1),
    )
)
HOLIDAYS = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"\b(?:the )?day after thanksgiving\b", "after thanksgiving"),
        (r"(?<!after )\bthanksgiving(?: day)?\b|\baccion de gracias\b", "thanksgiving"),
        (r"\bchristmas eve\b|\bnochebuena\b", "christmas eve"),
        (r"\bchristmas(?: day)?\b(?! eve)|\bnavidad\b", "christmas"),
        (r"\bnew year'?s eve\b|\bfin de ano\b", "new year's eve"),
        (r"\bnew year'?s?(?: day)?\b(?! eve)|\bano nuevo\b", "new year"),
        (r"\b(?:4th of july|july 4th|independence day|dia de la independencia)\b", "independence day"),
        (r"\blabor day\b|\bdia del trabajo\b", "labor day"),
        (r"\bmemorial day\b", "memorial day"),
        (r"\beaster(?: sunday)?\b|\bpascua\b", "easter"),
    )
)
