"""How far a revocation reaches: which channel, and whether the talk about an appointment may go on.

The law counts any stop as a stop of everything from this shop unless the person says otherwise (messaging facts 3.2),
so less than everything is only read from plain words: a named channel, a kept channel, named advertising.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from channels.phrases import load_phrases

# `policy`: nothing was said; `all`: text and email both; else the one channel that was named.
Reach = Literal["policy", "all", "sms", "email"]
Scope = Literal["all", "marketing"]


_BUT = re.compile(r"\b(?:but|keep|only|except|pero|solo)\b")


def reach_of(text: str, spans: list[str], channel: str, scope: Scope = "all") -> Reach | None:
    """The reach of a revocation in plain `text`, whose revoking words are `spans`, that came by `channel`.

    A span is the words that revoke, "||", and what follows them. None: it is about phone calls only and asks for texts
    or mail instead, which is no revocation of either.
    """
    said = " ".join(spans)
    words = " ".join(span.split("||")[0] for span in spans)
    if _says("both", said):
        return "all"
    stops_sms, stops_email = _says("names_sms", words), _says("names_email", words)
    if scope == "marketing":
        # "... but text me about my appointment" keeps a subject, not a channel.
        return _named(channel, stops_sms, stops_email)
    keeps_sms, keeps_email = _kept(text, "sms"), _kept(text, "email")
    keeps_sms = keeps_sms or (stops_email and not stops_sms and _asked(text, "text"))
    keeps_email = keeps_email or (stops_sms and not stops_email and _asked(text, "email"))
    if _says("names_calls", words) and not (stops_sms or stops_email) and (keeps_sms or keeps_email):
        return None
    if keeps_sms != keeps_email:
        return _one_kept(channel, keeps_sms, stops_sms, stops_email)
    return _named(channel, stops_sms, stops_email)


def _one_kept(channel: str, keeps_sms: bool, stops_sms: bool, stops_email: bool) -> Reach:
    """One channel is asked for, so the other one is meant, unless the words refuse the very one they ask for."""
    kept, other = (stops_sms, stops_email) if keeps_sms else (stops_email, stops_sms)
    if kept and not other:
        return _named(channel, stops_sms, stops_email)
    return "email" if keeps_sms else "sms"


def _named(channel: str, stops_sms: bool, stops_email: bool) -> Reach:
    """Who names the channel they use means us; who names only the other one means that one."""
    if stops_sms and stops_email:
        return "all"
    if stops_email and channel == "sms":
        return "email"
    return "sms" if stops_sms and channel == "email" else "policy"


def scope_of(text: str, spans: list[str]) -> Scope:
    """Marketing only when the person says so: advertising is what is refused, or an appointment is what is kept."""
    phrases = load_phrases()
    words = " ".join(span.split("||")[0] for span in spans)
    only_one = _says("names_sms", words) != _says("names_email", words)
    if (
        only_one
        and _kept(text, "email" if _says("names_sms", words) else "sms")
        and not _promo().search(words)
    ):
        return "all"
    if _promo().search(" ".join(spans)) and not _says("everything", _BUT.split(" ".join(spans))[0]):
        return "marketing"
    left = phrases.keeps_booking.sub(" ~ ", text)
    return "marketing" if spans and phrases.keep_service.search(left) else "all"


@lru_cache(maxsize=1)
def _promo() -> re.Pattern[str]:
    return load_phrases().compile(r"\b<promo>\b")


@lru_cache(maxsize=16)
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(load_phrases().reach[name])


def _says(name: str, text: str) -> bool:
    return _pattern(name).search(text) is not None


@lru_cache(maxsize=2)
def _keeping(channel: str) -> tuple[re.Pattern[str], ...]:
    phrases = load_phrases()
    name, ing = phrases.reach[f"{channel}_name"], phrases.reach[f"{channel}_ing"]
    return tuple(re.compile(one.replace("{name}", name).replace("{ing}", ing)) for one in phrases.kept)


def _kept(text: str, channel: str) -> bool:
    """Whether the words around the revocation ask for this channel. What is refused or complained of does not count."""
    left = _pattern("refused").sub(" ~ ", _pattern("complaint").sub(" ~ ", text))
    return any(pattern.search(left) for pattern in _keeping(channel))


def _asked(text: str, verb: str) -> bool:
    """ "..., email me": a request in a clause of its own."""
    spanish = "(?:texto|mensaje)" if verb == "text" else "correo"
    pattern = load_phrases().reach["asked"].replace("{verb}", verb).replace("{spanish}", spanish)
    return re.search(pattern, text) is not None
