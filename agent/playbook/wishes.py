"""What a customer wants done, as search words for `find_services`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent.playbook.clauses import segments
from agent.playbook.tables import word_list
from agent.playbook.text import folded, words

# Search words of a service, and how customers say it. Earlier rows win where two fit.
_BASES: tuple[tuple[str, str], ...] = (
    ("tint removal", r"\btint removal\b|\b(?:remov\w+|strip\w*|take off) (?:\w+ ){0,3}(?:tint|film)\b"),
    ("ceramic coating", r"\b(?:ceramic|graphene|paint) coat\w*\b|\bcoating\b"),
    ("paint protection film", r"\bppf\b|\bpaint protection\b|\bclear bra\b|\bprotection film\b"),
    ("sun strip", r"\bsun ?strips?\b|\bvisor strip\b|\b(?:windshield )?(?:eye)?brow\b"),
    ("tint", r"\btint\w*\b|\bwindow film\b|\btnit\w*\b|\btinit\w*\b|\bdarke[nr] (?:\w+ )?windows\b"),
    ("wrap", r"\bwrap\w*\b|\bvinyl\b|\bchrome delete\b"),
    ("paint correction", r"\bpaint correct\w*\b|\bpolish\w*\b|\bbuff(?:ing|ed)?\b|\bswirl\w*\b"),
    ("headlight restoration", r"\bheadlights? (?:restor\w+|polish\w*)\b|\bfoggy headlights?\b"),
    ("detail", r"\bdetail(?:ing|ed|s|er)?\b|\bdeatail\w*|\bdetial\w*|\b(?:car|hand) wash\b|\bshampoo\w*\b"
               r"|\bclean(?:ed|ing)? (?:my |the )?(?:car|interior|inside|seats|truck|suv|van)\b|\bwax(?:ed|ing)?\b"),
    ("oil change", r"\boil (?:change|service)\b|\b(?:change|changing) (?:my |the )?oil\b|\blube\b"),
    ("brake", r"\bbrakes?\b|\bbrake pads?\b|\brotors?\b|\bbreaks (?:are|done|squeak\w*)\b"),
    ("tire rotation", r"\b(?:rotate|rotation) ?(?:my |the )?(?:tires?)?\b|\btire rotation\b"),
    ("alignment", r"\balignment\b|\balign\b"),
    ("tire", r"\bt[iy]res?\b"),
    ("diagnostic", r"\bdiagnos\w+\b|\b(?:check )?engine light\b|\bweird noise\b|\bstrange noise\b"),
    ("battery", r"\bbattery\b"),
    ("air conditioning", r"\ba/?c (?:service|repair|recharge|not|is|isn't|doesn't|blow\w*)\b|\bair condition\w*\b"),
    ("transmission", r"\btransmission\b"),
    ("tune up", r"\btune[- ]?up\b|\bspark plugs?\b"),
    ("inspection", r"\b(?:pre-?purchase )?inspection\b|\bstate inspection\b"),
    ("coolant", r"\bcoolant\b|\bradiator\b"),
)  # fmt: skip
# Qualifiers: one word per group, so that a newer one replaces the older of its group.
_QUALIFIERS: tuple[tuple[str, str, str], ...] = (
    ("film", "ceramic", r"\bceramic[oa]?s?\b|\bcermaic\b|\bceramics\b|\bnano[- ]?ceramic\b"),
    ("film", "carbon", r"\bcarbono?\b"),
    ("film", "dyed", r"\bdyed\b"),
    ("area", "windshield", r"\bwind ?sh(?:ie|ei)ld\b"),
    ("area", "sunroof", r"\bsun ?roof\b|\bmoon ?roof\b"),
    ("area", "front", r"\bfront (?:two|2|windows?|doors?|sides?|ones?)\b|\bfronts\b|\b(?:the|just|only) front\b"),
    ("area", "rear", r"\bback (?:two|2|ones?|sides?)\b|\b(?:rear|back) (?:windows?|glass|half)\b"),
    ("area", "interior", r"\binterior\b|\binside\b"),
    ("area", "exterior", r"\bexterior\b|\boutside\b"),
    ("area", "full", r"\b(?:full|complete|entire)\b|\bwhole (?:car|vehicle)\b|\ball (?:my )?(?:windows|a?round)\b"),
    ("oil", "synthetic", r"\bsynthetic\b"),
)  # fmt: skip
# The same in Spanish, over text without accents.
_IN_SPANISH: dict[str, str] = {
    "tint removal": r"\b(?:quit\w+|remover|despegar|sacar) (?:\w+ ){0,3}(?:polarizado|tint\w*|pelicula|papel)\b",
    "ceramic coating": r"\brecubrimiento\b|\bceramico (?:para|en) (?:la |mi )?pintura\b",
    "paint protection film": r"\bproteccion de (?:la )?pintura\b|\bpelicula protectora\b",
    "sun strip": r"\bvisera\b|\bfranja\b",
    "tint": r"\bpolari[zs]\w*\b|\bentinta\w*\b|\b(?:papel|vidrios) (?:ahumados?|oscuros?)\b|\bobscurecer\b",
    "detail": r"\bdetallad\w+\b|\blava(?:do|r|rlo)\b|\blimpi(?:eza|ar)\b|\bencerad\w+\b",
    "oil change": r"\bcambi\w+ (?:de |el |le el )?aceite\b",
    "brake": r"\bfrenos?\b|\bbalatas\b",
    "alignment": r"\balineacion\b",
    "tire": r"\bllantas?\b",
    "battery": r"\bbateria\b",
    "air conditioning": r"\baire acondicionado\b",
    "windshield": r"\bparabrisas?\b",
    "sunroof": r"\bquemacocos\b|\btecho solar\b",
    "front": r"\bdelanter[oa]s?\b|\bde (?:adelante|enfrente)\b",
    "rear": r"\btraser[oa]s?\b|\bde atras\b|\bmedallon\b",
    "interior": r"\bpor dentro\b",
    "exterior": r"\bpor fuera\b",
    "full": r"\bcomplet[oa]\b|\btod[oa]s? (?:el|los|las) (?:carro|vidrios|ventanas)\b",
}


def _in_both(word: str, pattern: str) -> re.Pattern[str]:
    return re.compile("|".join(filter(None, (pattern, _IN_SPANISH.get(word)))))


_BASES_COMPILED = tuple((base, _in_both(base, pattern)) for base, pattern in _BASES)
_QUALIFIERS_COMPILED = tuple((group, word, _in_both(word, pattern)) for group, word, pattern in _QUALIFIERS)
_ADDS = re.compile(r"\b(?:also|too|as well|add|plus|and then|tambien|ademas|agregar)\b")
# "Not ceramic": what is refused is no wish.
_REFUSED = re.compile(
    r"\b(?:not|no|don't (?:want|need)|without|except|sin|menos) (?:the |any |el |la )?"
    r"(?:ceramic[oa]?|carbono?|dyed|windshield|sun ?roof|front|rear|back|parabrisas|quemacocos)\b"
)
_AREAS_OF: dict[str, set[str]] = {
    "tint": {"windshield", "sunroof", "front", "rear", "full"},
    "detail": {"interior", "exterior", "full"},
    "sun strip": set(),
}
_ASKING = re.compile(
    r"\b(?:how much (?:is|are|for|to|would|does|do you charge for)|price (?:of|for|on)|quote (?:for|on)|"
    r"cost (?:of|for|to)|"
    r"do you (?:guys )?(?:do|offer)|looking for|interested in)\s+(?:get |have |an? |the |my |some |to )*"
    r"([a-z][a-z '-]{3,40})"
)


@dataclass(frozen=True)
class Wish:
    """One service wish. `base` is the job, `qualifiers` are (group, word) pairs that narrow it."""

    base: str
    qualifiers: tuple[tuple[str, str], ...] = ()

    @property
    def wide(self) -> Wish:
        """The job without the film: "the cheapest one" looks at all of them again."""
        return replace(self, qualifiers=tuple(q for q in self.qualifiers if q[0] != "film"))

    @property
    def query(self) -> str:
        """Search words for `find_services`."""
        extra = [word for _, word in self.qualifiers if word not in self.base]
        return " ".join([*extra, self.base]).strip()

    def narrowed(self, newer: Iterable[tuple[str, str]]) -> Wish:
        """The wish with newer qualifiers, each replacing the older one of its group."""
        merged = dict(self.qualifiers) | dict(newer)
        return replace(self, qualifiers=tuple(sorted(merged.items())))


@dataclass(frozen=True)
class Mention:
    """Services and qualifiers named in one text. `adds` means: besides what was wanted before;
    `guessed`: the words are not of the table, so they may be no service at all."""

    wishes: tuple[Wish, ...] = ()
    qualifiers: tuple[tuple[str, str], ...] = ()
    adds: bool = False
    guessed: bool = False

    def __bool__(self) -> bool:
        return bool(self.wishes or self.qualifiers)


def read_mention(text: str) -> Mention:
    """What one text says about services; what it corrects ("ceramic, actually carbon") it does not say. Never raises."""
    found = Mention()
    for segment in segments(_REFUSED.sub(" ", folded(text))):
        found = _over(_mention(segment.text), found)
    return found


def _over(newer: Mention, older: Mention) -> Mention:
    if not newer or not older or (newer.guessed and not older.guessed):
        return newer or older
    if newer.guessed or newer.wishes:
        return replace(newer, adds=newer.adds or older.adds)
    qualifiers = tuple((dict(older.qualifiers) | dict(newer.qualifiers)).items())
    narrowed = tuple(
        wish.narrowed(q for q in newer.qualifiers if _fits(wish.base, q)) for wish in older.wishes
    )
    return replace(older, wishes=narrowed, qualifiers=qualifiers)


def _mention(said: str) -> Mention:
    rest = said
    bases: list[str] = []
    for base, pattern in _BASES_COMPILED:
        if pattern.search(rest):
            bases.append(base)
            rest = pattern.sub(" ", rest)
    found = tuple((group, word) for group, word, pattern in _QUALIFIERS_COMPILED if pattern.search(rest))
    if not bases and {"film", "area"} <= {group for group, _ in found}:
        # "Just the front two, ceramic": a film on a pane is tint.
        bases = ["tint"]
    guessed = not bases and not found
    if guessed and (unlisted := _unlisted(said)):
        bases = [unlisted]
    if (
        bases
        and "tint" not in bases
        and any(_only_tint(q) and not any(_fits(b, q) for b in bases) for q in found)
    ):
        # "Two front windows carbon and a sun strip": a film or a pane that suits no named job means tint.
        bases.append("tint")
    wishes = tuple(Wish(base).narrowed(q for q in found if _fits(base, q)) for base in bases[:3])
    return Mention(wishes, found, bool(_ADDS.search(said)), guessed)


def collect(texts: Iterable[str]) -> tuple[Wish, ...]:
    """The wishes standing after these texts, oldest first: a new job replaces, a qualifier narrows, "also" adds."""
    current: tuple[Wish, ...] = ()
    for text in texts:
        mention = read_mention(text)
        if mention.wishes:
            current = _merged(current, mention)
        elif mention.qualifiers:
            current = _narrowed(current, mention.qualifiers)
    return current


def _merged(current: tuple[Wish, ...], mention: Mention) -> tuple[Wish, ...]:
    by_base = {wish.base: wish for wish in current}
    newer = tuple(by_base[w.base].narrowed(w.qualifiers) if w.base in by_base else w for w in mention.wishes)
    if not mention.adds:
        return newer
    kept = tuple(wish for wish in current if wish.base not in {w.base for w in newer})
    return (kept + newer)[:3]


def _narrowed(current: tuple[Wish, ...], found: tuple[tuple[str, str], ...]) -> tuple[Wish, ...]:
    if not current:
        return (Wish(" ".join(word for _, word in found)),)
    return tuple(wish.narrowed(q for q in found if _fits(wish.base, q)) for wish in current)


def _only_tint(qualifier: tuple[str, str]) -> bool:
    return qualifier[0] == "film" or qualifier[1] in {"windshield", "sunroof", "front", "rear"}


def _fits(base: str, qualifier: tuple[str, str]) -> bool:
    group, word = qualifier
    if group == "area":
        return word in _AREAS_OF.get(base, {"full", "front", "rear"})
    return base.startswith({"film": "tint", "oil": "oil"}[group])


def _unlisted(said: str) -> str:
    """A service this table does not know ("how much is a bumper repair"): its words are looked up as they are."""
    if not (m := _ASKING.search(said)):
        return ""
    phrase = re.split(r"\b(?:for|on|at|in|this|next|please|tomorrow|today)\b", m.group(1))[0]
    kept = [word for word in words(phrase) if word not in word_list("fillers")]
    return " ".join(kept[:3]) if kept and any(len(word) > 3 for word in kept) else ""
