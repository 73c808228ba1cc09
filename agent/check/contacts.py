"""Where and how to reach the shop: streets, places, phone numbers, links and addresses out of the shop's facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.check.grammar import asked, negated
from agent.check.patterns import pattern, words
from agent.check.records import Records
from agent.check.text import Sentence, clean
from agent.check.verdict import Finding, Trace

PHONE = pattern("contacts", "phone", case=True)
_SPELLED = re.compile(r"(?:\b(?:\d{1,2}|oh?)\b[\s,.-]{1,3}){6,}\d{1,2}\b", re.IGNORECASE)
# A number of the customer's may be repeated to them, but never as the shop's.
_OURS = pattern("contacts", "ours")
_EMAIL = re.compile(r"\b[\w.+-]+\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:\.[\w-]+)+\b", re.IGNORECASE)
_TLD = (
    "com|net|org|io|co|us|biz|info|app|shop|store|online|site|xyz|link|top|me|ly|gl|gg|ru|cn|tk|click|live|pro|auto|cars|dev|ai|"
    "mx|es|ca|uk|de|example|test|invalid|pay|page|to|cc"
)
_LINK = pattern("contacts", "link")
_HANDLE = re.compile(r"(?<![\w.+-])@[a-z][\w.]{2,}", re.IGNORECASE)
_STREET = pattern("contacts", "street", case=True)
_PLACE = pattern("contacts", "place", case=True)
_LANDMARK = pattern("contacts", "landmark")
_NETWORK = pattern("contacts", "network")
_LETTERED = pattern("contacts", "lettered", case=True)
_LINK_LIKE = pattern("contacts", "linklike", case=True)
_THEIRS = pattern("contacts", "theirs")
_NOT_THEIRS = pattern("contacts", "not_theirs")
_CITY = re.compile(r"^,? (?P<city>[A-Z][a-z]+(?: [A-Z][a-z]+)?),? (?P<state>[A-Z]{2})\b")
_NO_PLACES = words("contacts", "no_places")
_ZIP = re.compile(r"\b[A-Z]{2},? (?P<zip>\d{5})(?:-\d{4})?\b")
_SAME_STREET = {
    "street": "st", "avenue": "ave", "road": "rd", "boulevard": "blvd", "drive": "dr", "lane": "ln", "highway": "hwy",
    "parkway": "pkwy", "court": "ct", "north": "n", "south": "s", "east": "e", "west": "w", "suite": "ste", "avenida": "av",
    "circle": "cir", "service": "service",
}  # fmt: skip
_STATES = {
    "il": "illinois",
    "tx": "texas",
    "ca": "california",
    "fl": "florida",
    "ny": "new york",
    "az": "arizona",
}


class ContactCheck:
    """Compares places, numbers and links of one reply with the shop's facts."""

    def __init__(self, records: Records, said: Sequence[Sentence]) -> None:
        self.records = records
        self.said = said
        self.known = " ".join(one.text for one in records.texts)
        self.shops = " ".join(one.text for one in records.texts_of("shop")).lower()
        self.own = f"{records.words} {clean(str(records.lead.get('email') or ''))} {records.echoes}"

    def run(self) -> tuple[list[Finding], list[Trace]]:
        """All findings and traces of the reply."""
        findings: list[Finding] = []
        traces: list[Trace] = []
        for kind, text, source in self._all():
            if source:
                traces.append(Trace(kind, text, source))
            else:
                findings.append(Finding(kind, text))
        return findings, traces

    def _all(self) -> Iterator[tuple[str, str, str]]:
        for sentence in self.said:
            text = sentence.text
            for match in _EMAIL.finditer(text):
                yield "link", match.group(), self._email(match.group())
            bare = _EMAIL.sub(" ", text)
            for match in _LINK.finditer(bare):
                yield "link", match.group(), self._link(match.group())
            for match in _LINK_LIKE.finditer(_LINK.sub(" ", bare)):
                yield "link", match.group(), self._link(match.group()) or self._stated(match.group().lower())
            yield from self._reached(sentence)
            for match in _HANDLE.finditer(bare):
                yield "link", match.group(), self._stated(match.group().lower())
            for match in _SPELLED.finditer(text):
                number = re.sub(r"\D", "", re.sub(r"\boh?\b", "0", match.group(), flags=re.IGNORECASE))
                yield "phone", match.group().strip(), self._phone(number, text)
            for match in PHONE.finditer(_LINK.sub(" ", bare)):
                yield "phone", match.group().strip(), self._phone(match.group(), text)
            yield from self._places(sentence)
            yield from self._landmarks(sentence)

    def _reached(self, sentence: Sentence) -> Iterator[tuple[str, str, str]]:
        """Numbers spelled with letters, short codes, and networks: the shop names them or nobody does."""
        for match in _LETTERED.finditer(sentence.text):
            yield "phone", match.group(), self._stated(match.group().lower())
        for match in _NETWORK.finditer(sentence.text):
            if not negated(sentence, match.start(), reach=8) and not asked(sentence, match.start()):
                yield "link", match.group(), self._stated(match.group().lower())

    def _landmarks(self, sentence: Sentence) -> Iterator[tuple[str, str, str]]:
        """A place without a name: every word of it has to stand in the shop's own facts."""
        for match in _LANDMARK.finditer(sentence.text):
            told = negated(sentence, match.start(), reach=8) or asked(sentence, match.start())
            if not told:
                known = all(word in self.shops for word in re.findall(r"\w{4,}", match.group().lower()))
                yield "address", match.group(), "shop facts" if known else ""

    def _stated(self, words: str) -> str:
        return next((one.source for one in self.records.texts if words in one.text.lower()), "")

    def _email(self, text: str) -> str:
        plain = re.sub(r"\s|\(at\)|\[at\]", lambda m: "@" if "at" in m.group() else "", text.lower())
        if source := self._stated(plain):
            return source
        return "the customer's own address" if plain in self.own.lower() else ""

    def _link(self, text: str) -> str:
        wanted = _bare_link(text)
        for one in self.records.texts:
            for match in _LINK.finditer(one.text):
                listed = _bare_link(match.group())
                if wanted == listed or listed.startswith(f"{wanted}/"):
                    return one.source
        return ""

    def _phone(self, text: str, sentence: str) -> str:
        digits = re.sub(r"\D", "", text)[-10:]
        for one in self.records.texts:
            listed = [re.sub(r"\D", "", match.group())[-10:] for match in PHONE.finditer(one.text)]
            if any(number.endswith(digits) for number in listed):
                return one.source
        if _OURS.search(sentence) and not re.search(
            r"\bnot? (?:at |al |el )?$", sentence.split(text.strip())[0]
        ):
            return ""
        if not sentence.endswith("?") and (_NOT_THEIRS.search(sentence) or not _THEIRS.search(sentence)):
            return ""
        own = [re.sub(r"\D", "", match.group())[-10:] for match in PHONE.finditer(self.own)]
        return "customer's words" if digits in own else ""

    def _places(self, sentence: Sentence) -> Iterator[tuple[str, str, str]]:
        text = sentence.text
        known = _street_words(self.known)
        found = False
        for match in _STREET.finditer(text):
            found = True
            yield "address", match.group(), "shop address" if _street_words(match.group()) <= known else ""
            if city := _CITY.search(text[match.end() :]):
                yield "address", city.group(), "shop address" if _street_words(city.group()) <= known else ""
        for match in _ZIP.finditer(text):
            yield "address", match.group(), "shop address" if match["zip"] in self.known else ""
        for match in _PLACE.finditer(text):
            words = _street_words(match["place"]) - {"the"}
            if words and words <= _NO_PLACES:
                continue
            if (
                found
                or not words
                or words <= {"am", "pm"}
                or (match["place"][0].isdigit() and ":" in text[match.start() :])
                or negated(sentence, match.start())
            ):
                continue
            yield "address", match.group(), "shop address" if words <= known else ""


def _street_words(text: str) -> set[str]:
    words = {_SAME_STREET.get(word, word) for word in re.findall(r"[a-z0-9]+", text.lower())}
    return words | {part for word in words for part in _STATES.get(word, "").split()}


def _bare_link(text: str) -> str:
    plain = re.sub(r"\s|^(?:https?|ftp)\s?:\s?/\s?/\s?", "", text.lower()).removeprefix("www.")
    return plain.rstrip(".,!?)/")
