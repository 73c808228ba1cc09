"""Spanish days and times said in the English words that the one grammar of days.py and clocks.py reads."""

from __future__ import annotations

import re
from collections.abc import Callable

_WEEKDAYS = {
    "lunes": "monday",
    "martes": "tuesday",
    "miercoles": "wednesday",
    "jueves": "thursday",
    "viernes": "friday",
    "sabados?": "saturday",
    "domingos?": "sunday",
}
_MONTHS = dict(
    zip(
        ("enero", "feb(?:rero)?", "marzo", "abr(?:il)?", "mayo", "junio", "julio", "ago(?:sto)?",
         "sep(?:t|tiembre|tiemb)?", "oct(?:ubre)?", "nov(?:iembre)?", "dic(?:iembre)?"),
        ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
         "november", "december"),
        strict=True,
    )
)  # fmt: skip
_NUMBERS = {"uno": 1, "una": 1, "un": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7,
            "ocho": 8, "nueve": 9, "diez": 10, "once": 11, "doce": 12, "quince": 15, "veinte": 20, "treinta": 30}  # fmt: skip
_NUMBER = "|".join(_NUMBERS)
_HOUR = "|".join(name for name in _NUMBERS if not name.startswith("un"))
_DAY = "(monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_T = r"(\d{1,2}(?:[:.]\d\d)?)"
_UNITS = {"dia": "days", "semana": "weeks", "mes": "months"}
_NEXT = r"(?:que (?:viene|entra)|proxim[oa]|entrante|siguiente)"

Said = str | Callable[["re.Match[str]"], str]
_PHRASES: tuple[tuple[str, Said], ...] = (
    (r"\bbuen(?:os|as)? (?:dias?|tardes?|noches?)\b", " "),
    *((rf"\b{spanish}\b", english) for spanish, english in _WEEKDAYS.items()),
    *((rf"(\d{{1,2}}|primero) de {spanish}\b", rf"\1 of {english}") for spanish, english in _MONTHS.items()),
    *((rf"\b(en|para|de|a) {spanish}\b", rf"\1 {english}") for spanish, english in _MONTHS.items()),
    (r"\b(?:el )?(?:primero|1ro|1o)\b", "the 1st"),
    (r"\bsalgo (?:del? (?:trabaj\w+|jale) )?(?=a las? )", "off "),
    (r"\b(?:de|desde|a partir de) las? (\d{1,2}(?::\d\d)?|" + _HOUR + r") (?:en|para) adelante\b",
     lambda m: f"{_NUMBERS.get(m.group(1), m.group(1))} or later"),
    (r"\ba primera hora\b", "first thing"),
    (rf"\b(?:para |como |a eso de |tipo |desde )?(?:a )?las? ({_NUMBER})\b", lambda m: f"at {_NUMBERS[m.group(1)]}"),
    (rf"\b({_NUMBER})(?= (?:dias?|semanas?|mes(?:es)?|y media|y cuarto|de la (?:manana|tarde)))\b",
     lambda m: str(_NUMBERS[m.group(1)])),
    (rf"\b(despues de|antes de|entre|y|a|o) (?:las? )?({_HOUR})\b", lambda m: f"{m.group(1)} {_NUMBERS[m.group(2)]}"),
    (r"(\d{1,2}) y media\b", r"\1:30"),
    (r"(\d{1,2}) y cuarto\b", r"\1:15"),
    (r"(\d{1,2}) menos cuarto\b", lambda m: f"{(int(m.group(1)) - 2) % 12 + 1}:45"),
    (rf"{_T} ?(?:de|en|por) la manana\b", r"\1 am"),
    (rf"{_T} ?(?:de|en|por) la (?:tarde|noche)\b", r"\1 pm"),
    (rf"\b(en|dentro de) ({_HOUR})(?= (?:o|a) )", lambda m: f"in {_NUMBERS[m.group(2)]}"),
    (r"\bin (\d{1,2}) (?:o|a) (\d{1,2}) (dia|semana|mes)(?:e?s)?\b",
     lambda m: f"in {m.group(1)} to {m.group(2)} {_UNITS[m.group(3)]}"),
    (r"\b(?:la )?semana del? (?:el )?(?=\d|the)", "week of "),
    (r"\bpasado manana\b", "day after tomorrow"),
    (r"\bmanana (?:por|en|a|de) la manana\b|\bmanana temprano\b", "tomorrow morning"),
    (r"\besta (?:manana)\b", "this morning"),
    (r"\besta tarde\b", "this afternoon"),
    (r"\besta noche\b", "tonight"),
    (r"\b(?:por|en|a|de) las? mananas?\b|\blas mananas\b", "morning"),
    (r"\bmanana\b", "tomorrow"),
    (r"\bhoy\b", "today"),
    (r"\b(?:por|en|a|de) las? (?:tardes?)\b|\blas tardes\b", "afternoon"),
    (r"\b(?:por|en|de) las? noches?\b", "evening"),
    (r"\b(?:(?:al?|el) )?medio ?dia\b", "noon"),
    (r"\bmas temprano\b", "earlier"),
    (r"\b(?:muy |bien )?temprano\b", "early morning"),
    (r"\bdespues del (?:trabajo|jale)\b|\bsaliendo del trabajo\b", "after work"),
    (r"\bdespues del almuerzo\b|\bdespues de comer\b", "after lunch"),
    (r"\b(?:no )?antes del? (?:las? |el )?", lambda m: "after " if m.group().startswith("no ") else "before "),
    (r"\bdespues del? (?:las? |el )?", "after "),
    (rf"\bhasta (?:el |las? )(?={_DAY[1:-1]}|\d)", "until "),
    (r"\b(?:a partir|luego) del? (?:las? |el )?", "from "),
    (r"\bdesde (?:el |las? )", "from "),
    (r"\bentre semana\b", "weekdays"),
    (rf"\bentre (?:el |los )?{_DAY} y (?:el |los )?{_DAY}", r"\1 to \2"),
    (rf"\bentre (?:las? )?{_T} y (?:las? )?{_T}", r"between \1 and \2"),
    (rf"\bde (?:las? )?{_T} (?:a|hasta) (?:las? )?{_T}", r"between \1 and \2"),
    (rf"\b(?:de |del )?{_DAY} a(?:l)? {_DAY}", r"\1 to \2"),
    (rf"\b{_DAY} de la (?:{_NEXT} semana|semana {_NEXT}|otra semana)", r"next \1"),
    (rf"\b{_DAY} {_NEXT}|\b(?:el |este )?proximo {_DAY}|\beste {_DAY}",
     lambda m: f"this {next(filter(None, m.groups()))}"),
    (rf"\b(?:el )?(?:{_NEXT} fin de semana|fin de semana {_NEXT}|otro fin de semana)\b", "next weekend"),
    (r"\b(?:este|el) fin de semana\b", "this weekend"),
    (r"\bfin(?:es)? de semana\b", "weekend"),
    (rf"\b(?:la |en la )?(?:{_NEXT} semana|semana {_NEXT}|otra semana)\b", "next week"),
    (r"\besta semana\b", "this week"),
    (rf"\b(?:el )?(?:{_NEXT} mes|mes {_NEXT}|otro mes)\b", "next month"),
    (r"\b(?:a |al )?fin(?:al|ales|es)? de(?:l)? mes\b", "end of the month"),
    (r"\b(?:a )?principios de ", "early "),
    (r"\b(?:a )?(?:finales|fines) de ", "end of "),
    (r"\b(?:en|dentro de) (\d{1,2}) (dia|semana|mes)(?:e?s)?\b",
     lambda m: f"in {m.group(1)} {_UNITS[m.group(2)]}"),
    (r"\bel (?:dia )?(\d{1,2})\b(?! ?(?:%|por|of|de cada|puertas|vidrios|ventanas))|\b(?:el )?dia (\d{1,2})\b",
     lambda m: f"the {m.group(1) or m.group(2)}th"),
    (r"\b(?:a |para |como |a eso de |tipo )?las? (?=\d)", "at "),
    (r"\b(?:lo )?(?:antes|mas pronto|mas rapido) (?:posible|que (?:se pueda|pueda\w*))\b|\bcuanto antes\b", "asap"),
    (r"\bcuando (?:sea|pueda\w*|gusten?|quieran?|haya)\b|\ba (?:cualquier|la) hora que sea\b", "any time"),
    (r"\b(?:cualquier|todos los?) (?:dia|hora|momento|dias)\b", "any day"),
    (r"\b(?:menos|excepto|salvo) (?:el |los |la )?(?=\w+day)", "except "),
    (r"\bno (?:me )?(?:puedo|queda|sirve|conviene|trabajo|estoy|tengo tiempo|es bueno|va a poder)\b", "can't"),
    (r"\b(?:quise|quiero|queria) decir\b|\bdigo\b", "i meant"),
    (r"\b(?:mejor|mas bien)\b", "actually"),
    (r"\bperdon\b|\bdisculpe?\b", "sorry"),
    (r"\ben (?:vez|lugar) de(?:l)?\b", "instead of"),
    (r"\bpero\b", "but"),
    (rf"(?<=\w) o (?=(?:el |la |los |at )?(?:{_DAY[1:-1]}|\w+ morning|tomorrow|today|the|at|\d|next|this))", " or "),
    (rf"(?<=day) y (?=(?:el |los )?{_DAY})", " and "),
    (r"\b(?:el|los|al|para) (?=(?:\w+day|this|next)\b)", ""),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), said) for pattern, said in _PHRASES)
# One of these has to be there before anything is changed, so that no English text is.
_TELLING = re.compile(
    r"\b(?:manana|hoy|lunes|martes|miercoles|jueves|viernes|sabados?|domingos?|semanas?|tardes?|noches?|medio ?dia|"
    r"temprano|despues|antes de|a las?|las \d|entre|dia|dias|primero|(?:en|de|dentro) (?:\w+ )?(?:mes|meses|dos|tres)|"
    r"mes que|mejor|digo|decir|cuando sea|cuanto antes|lo (?:antes|mas)|fin de|cualquier|"
    + "|".join(rf"de {name}" for name in _MONTHS)
    + r")\b"
)  # fmt: skip


def in_english_words(text: str) -> str:
    """Folded text with Spanish days and times in English; anything else stays as it is. Never raises."""
    if not _TELLING.search(text):
        return text
    for pattern, said in _COMPILED:
        text = pattern.sub(said, text)
    return text
