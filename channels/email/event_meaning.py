"""What an event means: why a mail did not arrive, or that somebody wants none. Pure (messaging facts 4.3)."""

from __future__ import annotations

from channels.email.event_effects import Failure, plain_code
from channels.email.event_rows import OPT_OUTS, MailEventRow
from channels.email.optouts import OptOut

# By how SendGrid's own reason of a `dropped` begins. It is SendGrid's word, not a strange server's.
_DROPPED = (
    ("bounced address", "hard", "earlier mail to this address came back, so SendGrid sends none there"),
    ("invalid address", "hard", "SendGrid says the address is not valid"),
    ("invalid email", "hard", "SendGrid says the address is not valid"),
    ("unsubscribed address", "none", "this person has unsubscribed at SendGrid"),
    ("spam reporting address", "none", "this person has reported mail as spam"),
    ("spam content", "none", "SendGrid took it for spam"),
    ("recipient list over package quota", "none", "the plan at SendGrid is used up"),
)
_WANTS_NONE = ("unsubscribed address", "spam reporting address")


def failure_of(row: MailEventRow) -> Failure:
    """Why the mail of a `bounce` or `dropped` did not arrive."""
    return _bounce(row) if row.event == "bounce" else _dropped(row)


def opt_out_in(row: MailEventRow, *, shared: bool) -> OptOut | None:
    """The opt-out an event tells of, or None. `shared`: the account at SendGrid serves other businesses too, so that
    a name on its lists need not be there because of this one."""
    when = f"on {row.occurred_at:%Y-%m-%d %H:%M} UTC"
    if row.event in OPT_OUTS:
        spam = row.event == "spamreport"
        evidence = f"SendGrid reported {row.event!r} {when} for a mail to this address"
        return OptOut(f"SendGrid: {row.event}", evidence, ends_cadence=spam)
    cause = row.said("reason")
    if row.event == "dropped" and cause.startswith(_WANTS_NONE):
        spam = cause.startswith("spam")
        evidence = f"SendGrid dropped a mail to this address {when}: {row.reason}"
        return OptOut("SendGrid: dropped", evidence, ends_cadence=spam, alone=shared)
    return None


def _bounce(row: MailEventRow) -> Failure:
    kind, told = row.said("type"), row.reason or ""
    code = plain_code(row.said("status")) or plain_code(told)
    if kind == "bounce" or (not kind and (code or "").startswith("5.1.")):
        return Failure("hard", "the address does not work", told, code)
    if kind == "expired":
        return Failure("soft", "their mail server did not take it for days", told, code)
    return Failure("soft", "their mail server refused it for now", told, code, again=kind == "blocked")


def _dropped(row: MailEventRow) -> Failure:
    cause = row.said("reason")
    if cause == "invalid":
        return Failure("hard", "SendGrid says the address is not valid", code="dropped")
    for begins, blame, says in _DROPPED:
        if cause.startswith(begins):
            return Failure("hard" if blame == "hard" else "none", says, code="dropped")
    return Failure("none", "SendGrid did not send it", row.reason or "", "dropped")
