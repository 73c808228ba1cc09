"""Reading the labelled mails and scoring what is made of them, on the way every mail takes: form, MIME, words, kind."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import getaddresses
from pathlib import Path
from typing import Any

import yaml

from channels.email.mail import Automatic
from channels.email.parse import parse_email
from tests.standins.sendgrid_inbound import inbound_parts

FOLDER = Path(__file__).parent
TUNED = ("away", "auto_replies", "bounces", "reports", "bulk", "odd", "persons")
HELD_OUT = ("held_out", "unseen")
PERSON = "person"
_EDGE = b"--xYzZY"


@dataclass(frozen=True)
class Case:
    """One labelled mail. `expects` holds what is known of it besides its kind."""

    name: str
    kind: str
    raw: bytes
    sender: str
    envelope_from: str
    expects: dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """What was made of it. `wrong`: each thing that is not as it should be."""

    case: Case
    found: Automatic | None
    wrong: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The kind that was found, "person" for none."""
        return self.found.kind if self.found else PERSON


def load(names: tuple[str, ...]) -> list[Case]:
    """The mails of some files, in their order."""
    return [_case(entry) for name in names for entry in _entries(name)]


def read(case: Case) -> Reading:
    """Put a mail through the parser, as SendGrid's raw mode posts it."""
    body = _form(case)
    found = parse_email(body, "multipart/form-data; boundary=xYzZY").automatic
    return Reading(case, found, tuple(_differences(case, found)))


def _entries(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def _case(entry: dict[str, Any]) -> Case:
    raw = entry["mail"].encode("utf-8").replace(b"\n", b"\r\n")
    lines = entry["mail"].splitlines()
    sender = getaddresses([next(line[5:] for line in lines if line.startswith("From:"))])[0][1]
    known = {
        key: value for key, value in entry.items() if key not in ("name", "kind", "mail", "envelope_from")
    }
    return Case(entry["name"], entry["kind"], raw, sender, entry.get("envelope_from", sender), known)


def _form(case: Case) -> bytes:
    parts = inbound_parts(case.raw, {}, "shop@north.example", case.envelope_from, (), None)
    return b"".join(_EDGE + b"\r\n" + part + b"\r\n" for part in parts) + _EDGE + b"--\r\n"


def _differences(case: Case, found: Automatic | None) -> list[str]:
    kind = found.kind if found else PERSON
    if kind != case.kind:
        return [f"{kind} ({found.reason if found else 'no sign'})"]
    if found is None:
        return []
    wrong = []
    if found.until != case.expects.get("until"):
        wrong.append(f"until {found.until}")
    if found.doubtful != case.expects.get("doubtful", False):
        wrong.append(f"doubtful {found.doubtful}")
    if "reason" in case.expects and found.reason != case.expects["reason"]:
        wrong.append(f"reason {found.reason}")
    return wrong + _bounce_differences(case, found)


def _bounce_differences(case: Case, found: Automatic) -> list[str]:
    if found.kind != "bounce":
        return []
    if found.bounce is None:
        return ["no report"]
    named = {name: getattr(found.bounce, name) for name in ("hard", "status", "recipient", "outbox_id")}
    return [
        f"{name} {value}"
        for name, value in named.items()
        if name in case.expects and value != case.expects[name]
    ]


def table(readings: list[Reading]) -> str:
    """Kind by kind: how many mails, how many were read rightly in everything, how many of the rest would be answered."""
    rows = [f"{'kind':14} {'mails':>5} {'right':>5} {'answered':>8}"]
    for kind in sorted({one.case.kind for one in readings}, key=lambda kind: (kind == PERSON, kind)):
        of_kind = [one for one in readings if one.case.kind == kind]
        right = sum(not one.wrong for one in of_kind)
        answered = sum(one.kind == PERSON for one in of_kind)
        rows.append(f"{kind:14} {len(of_kind):5} {right:5} {answered:8}")
    return "\n".join(rows)
