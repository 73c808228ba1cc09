"""The checks that hold for every message: each is a question about the case, answered with a verdict or None."""

from __future__ import annotations

from datetime import timedelta

from channels.gate.case import Case
from channels.gate.decision import Decision, drop, hold, withhold
from crm.consent_policy import words_of
from crm.consents import normal_address

# One confirmation of an opt-out may follow within five minutes (messaging facts 3.2).
STOP_ANSWER_WITHIN = timedelta(minutes=5)
PAUSED_LOOK = timedelta(minutes=15)


def opted_out(case: Case) -> Decision | None:
    """Nobody who said stop is written to; the one confirmation of it may go for five minutes. Who only wants no
    promotions still gets answers and what concerns their appointment."""
    stop, kind = case.stop, case.message.kind
    if stop is None:
        return None
    if kind == "consent" and case.now - stop.effective_at <= STOP_ANSWER_WITHIN:
        return None
    return withhold(f"{words_of(stop)} on {stop.effective_at:%Y-%m-%d %H:%M} UTC")


def demo_mode(case: Case) -> Decision | None:
    """In demo mode only the listed addresses are written to, staff included."""
    allowed = {normal_address(case.message.channel, entry) for entry in case.rules.demo_allow_list}
    if not case.rules.demo_mode or normal_address(case.message.channel, case.message.to_address) in allowed:
        return None
    return withhold("DEMO_MODE is on and this recipient is not on DEMO_ALLOW_LIST")


def tenant_paused(case: Case) -> Decision | None:
    """A paused business writes to nobody but its own people."""
    if case.facts.tenant_status == "active" or not case.to_customer:
        return None
    return hold("the business is paused", case.now + PAUSED_LOOK)


def expired(case: Case) -> Decision | None:
    """What it says may no longer be true or wanted."""
    expires = case.message.expires_at
    return None if expires is None or expires > case.now else withhold("it is too late for this message")


def bad_address(case: Case) -> Decision | None:
    """The carrier has said that nothing arrives there."""
    facts, message = case.facts, case.message
    since, address = (
        (facts.phone_bad_since, facts.phone)
        if message.channel == "sms"
        else (facts.email_bad_since, facts.email)
    )
    if since is None or not case.to_customer or message.to_address != address:
        return None
    return withhold("this address does not work")


def blocked(case: Case) -> Decision | None:
    """A carrier filters this template (30007) or holds this range of numbers for fraud: sending on would cost the shop's
    number its good name."""
    name, reason = case.facts.block, case.facts.block_reason
    return None if name is None else withhold(f"{name!r} is blocked: {reason}")


def newer_message(case: Case) -> Decision | None:
    """A reply to an older message, or a touch to somebody who has written since, has lost its point."""
    message, facts = case.message, case.facts
    if message.kind == "reply" and not case.announces and not case.tells_of_change:
        if (facts.last_inbound_id or 0) > (message.answers_up_to or 0):
            return drop("the customer wrote again before this was sent")
    elif message.kind == "touch" and (facts.last_inbound_id or 0) > message.id:
        # Both numbers are given under the lock of the conversation; clocks differ, and a mail is taken in after its date.
        return drop("the customer wrote after this was planned")
    return None


def another_visit(case: Case) -> Decision | None:
    """What it says about a visit has to be true when it leaves: it was moved, cancelled or begun since it was written."""
    if case.visit is None:
        return None
    if not case.visit.stands:
        return drop(case.visit.gone)
    if case.visit.comes_at != case.visit.told:
        return drop("the appointment was moved after this was written")
    return drop("the visit has begun") if case.visit.comes_at <= case.now else None


def person_on_the_line(case: Case) -> Decision | None:
    """While a person has the conversation, no machine speaks; the answer to a stop is not conversation, and `staff` is
    that person."""
    if case.facts.chat_state != "human" or not case.to_customer or case.message.kind in ("consent", "staff"):
        return None
    return None if case.announces else drop("a person has taken over the conversation")
