"""Does a mail come from where it says? What SendGrid found out, and which domain that speaks for.

The From line is forgeable (messaging facts 4.1). It counts as proved when the envelope's sender passed SPF or a
signature passed DKIM, and the domain that passed is the one of the From line (aligned, as DMARC's relaxed mode has it,
RFC 7489, 3.1); or when the mail was sent to the secret address of the conversation. Nothing else proves anything.
"""

from __future__ import annotations

import re
from typing import Literal

from channels.email.mail import ParsedEmail
from channels.email.text import domain_of

Proof = Literal["token", "spf", "dkim"]

# SendGrid writes no JSON: `{@example.com : pass, @other.example : fail}` (messaging facts 4.1).
_ENTRY = r"@(?P<{}>[a-z0-9._-]+)\s*:\s*(?P<{}>[a-z]+)"
_ONE = re.compile(_ENTRY.format("domain", "result"))
_WHOLE = re.compile(r"\{?\s*@[a-z0-9._-]+\s*:\s*[a-z]+(?:\s*,\s*@[a-z0-9._-]+\s*:\s*[a-z]+)*\s*\}?")
# Below these a name is anybody's to register, so it takes one label more to be somebody's: shop.co.uk, shop.com.mx.
_GENERIC = frozenset(
    {"ac", "co", "com", "edu", "gob", "gov", "gub", "net", "nom", "or", "org", "ltd", "me", "ne", "plc"}
)


def domain_proof(mail: ParsedEmail) -> Literal["spf", "dkim"] | None:
    """What proves that the mail comes from the domain of its sender's address; None when nothing does."""
    if mail.sender is None:
        return None
    domain = domain_of(mail.sender)
    if _spf_passed(mail) and is_aligned(domain_of(mail.envelope_from or ""), domain):
        return "spf"
    return "dkim" if any(is_aligned(one, domain) for one in signed_by(mail.checks.get("dkim", ""))) else None


def is_aligned(passed: str, claimed: str) -> bool:
    """Whether the domain that passed a check speaks for the one in the From line: they are the same, or belong to one
    organisation."""
    if not passed or not claimed:
        return False
    return passed == claimed or organisation(passed) == organisation(claimed) != ""


def organisation(domain: str) -> str:
    """The part of a domain that somebody registered: `example.com` of `mail.example.com`, `shop.co.uk` of
    `mail.shop.co.uk`. Empty for a bare ending.

    There is no list of all endings here. Where an ending has an unusual second part, the answer is that part, and two
    strangers below it would count as one: the check that passed still names a server the attacker has to run there.
    """
    labels = [label for label in domain.strip(".").lower().split(".") if label]
    wanted = 3 if len(labels) > 1 and len(labels[-1]) == 2 and labels[-2] in _GENERIC else 2
    return ".".join(labels[-wanted:]) if len(labels) >= wanted else ""


def signed_by(dkim: str) -> tuple[str, ...]:
    """The domains whose signatures passed, from SendGrid's `dkim` field.

    None at all when one of them did not pass: the names in the field are what a sender wrote into the signature, and
    one made to look like two entries ends in a failed one.
    """
    text = dkim.strip().lower()
    if not _WHOLE.fullmatch(text):
        return ()
    found = [(match["domain"], match["result"]) for match in _ONE.finditer(text)]
    return tuple(domain for domain, _ in found) if all(result == "pass" for _, result in found) else ()


def _spf_passed(mail: ParsedEmail) -> bool:
    return mail.checks.get("SPF", "").strip().lower() == "pass"
