"""What hangs on a carrier's error besides the message itself: the ledger, the number, the template, the owner.

The same for a refusal at once and for a callback an hour later (messaging facts 2.4); what an error code asks for is
data (`errors.yaml`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from channels.sms.errors import Action, ErrorRule
from channels.telling import name_of, tell
from crm.consents import opt_out_of, record_consent
from crm.lead_states import out_of_reach
from crm.models import ChatMessage, Lead
from crm.template_blocks import block, first_alert_today, range_of, template_of
from crm.touches import halt_touches

# So many texts in a row that found the phone out of reach (30003): the number is treated as a bad one.
STRIKES = 3
STRIKE_CODE = "30003"


def take_effect(session: Session, message: ChatMessage, rule: ErrorRule, now: datetime) -> None:
    """Do what this error means for everything but the message. The caller holds the session row."""
    effect = EFFECTS.get(rule.action)
    if effect is not None and message.channel == "sms":
        effect(session, message, rule, now)


def _opt_out(session: Session, message: ChatMessage, rule: ErrorRule, now: datetime) -> None:
    """The carrier knows of an opt-out that we do not: it becomes ours, and only the person can undo it. The shop's own
    people may have said it too; of a notice to them the customer it is about hears nothing."""
    to_customer = message.kind != "notice"
    if opt_out_of(session, message.tenant_id, "sms", message.to_address) is not None:
        return
    record_consent(
        session,
        tenant_id=message.tenant_id,
        channel="sms",
        address=message.to_address,
        action="revoke",
        actor="carrier",
        source=f"carrier error {rule.code}",
        evidence=f"the carrier says: {rule.says}",
        effective_at=now,
        lead_id=message.lead_id if to_customer else None,
        message_id=message.id,
    )
    if to_customer and rule.action is Action.OPT_OUT:
        halt_touches(
            session,
            message.lead_id,
            "ended",
            "the carrier says this person opted out",
            reminders=True,
            now=now,
        )
        if message.kind != "touch":
            # A confirmation that never came: who expects this person has to know.
            text = f"{name_of(session, message)} gets no more texts: {rule.says} (error {rule.code})."
            tell(session, message, text, f"opted_out:{message.id}", now)


def _suppress(session: Session, message: ChatMessage, rule: ErrorRule, now: datetime) -> None:
    _opt_out(session, message, rule, now)
    if message.kind == "notice":
        return
    halt_touches(session, message.lead_id, "ended", f"the carrier says: {rule.says}", reminders=True, now=now)
    text = f"{name_of(session, message)} gets no more texts: {rule.says} (error {rule.code})."
    tell(session, message, text, f"suppressed:{message.lead_id}", now)


def _bad_number(session: Session, message: ChatMessage, rule: ErrorRule, now: datetime) -> None:
    """Nothing more goes to this number, at no location of the business; the cadence goes on by email."""
    session.execute(
        update(Lead)
        .where(Lead.phone == message.to_address, Lead.phone_bad_since.is_(None))
        .values(phone_bad_since=now)
        .execution_options(synchronize_session="fetch")
    )
    out_of_reach(session, Lead.phone == message.to_address, who="carrier", now=now)


def _strike(session: Session, message: ChatMessage, rule: ErrorRule, now: datetime) -> None:
    if message.kind == "notice" or strikes(session, message) < STRIKES:
        return
    _bad_number(session, message, rule, now)
    text = f"{STRIKES} texts to {name_of(session, message)} did not arrive: {rule.says}. We go on by email."
    tell(session, message, text, f"unreachable:{message.to_address}", now)


def strikes(session: Session, message: ChatMessage) -> int:
    """Texts to this address that met a phone out of reach, this one and all after the last that arrived."""
    to_it = (ChatMessage.to_address == message.to_address, ChatMessage.channel == "sms")
    same_lead = ChatMessage.lead_id == message.lead_id
    arrived = select(func.coalesce(func.max(ChatMessage.id), 0)).where(
        *to_it, same_lead, ChatMessage.status == "delivered"
    )
    before = session.scalar(
        select(func.count()).where(
            *to_it,
            same_lead,
            ChatMessage.error_code == STRIKE_CODE,
            ChatMessage.id != message.id,
            ChatMessage.id > arrived.scalar_subquery(),
        )
    )
    return 1 + (before or 0)


def _stop_template(session: Session, message: ChatMessage, rule: ErrorRule, now: datetime) -> None:
    """Never said again in the same words or in others, before somebody has looked at it."""
    name = template_of(session, message)
    reason = f"{rule.says} (error {rule.code})"
    if name is None:
        text = f"A text to {name_of(session, message)} was not delivered: {reason}. It is not sent again."
        tell(session, message, text, f"failed:{message.id}", now)
    elif block(session, message, name, reason, now):
        text = f'The text "{name}" is not sent any more: {reason}. Change it, then: leads templates unblock {name}'
        tell(session, message, text, f"blocked:{name}", now)


def _pumping(session: Session, message: ChatMessage, rule: ErrorRule, now: datetime) -> None:
    """Somebody may be making us text numbers that earn them money: the whole range waits for a person's word."""
    name, reason = range_of(message.to_address), f"{rule.says} (error {rule.code})"
    if message.kind != "notice" and block(session, message, name, reason, now):
        text = f"No texts go to numbers like {message.to_address}: {reason}. To allow them: leads templates unblock {name}"
        tell(session, message, text, f"blocked:{name}", now)


def _configuration(session: Session, message: ChatMessage, rule: ErrorRule, now: datetime) -> None:
    if first_alert_today(session, message, str(rule.code), rule.says, now):
        text = f"Texts are not going out: {rule.says} (error {rule.code}). They wait until this is mended."
        tell(session, message, text, f"alert:{rule.code}:{now:%Y-%m-%d}", now, avoid="sms")


EFFECTS: dict[Action, Callable[[Session, ChatMessage, ErrorRule, datetime], None]] = {
    Action.OPT_OUT: _opt_out,
    Action.SUPPRESS: _suppress,
    Action.BAD_NUMBER: _bad_number,
    Action.STRIKE: _strike,
    Action.STOP_TEMPLATE: _stop_template,
    Action.PUMPING: _pumping,
    Action.CONFIGURATION: _configuration,
}
# Their effect tells the shop what it has to know; a second notice about the single message would only be noise.
TOLD_BY_EFFECT = frozenset({
    Action.OPT_OUT, Action.SUPPRESS, Action.STOP_TEMPLATE, Action.PUMPING, Action.CONFIGURATION,
})  # fmt: skip
