"""Is a mail a machine's, and which kind of machine? Such mail is never answered (messaging facts 4.5, RFC 3834).

What says so for certain is looked at first: reports, headers that only machines set, senders that are none. What people's
servers set as well (`X-Auto-Response-Suppress`, `List-Unsubscribe`) and words need a second sign. A person who is taken for a
machine gets no answer, a machine that is taken for a person may answer back for ever: where both are possible the mail is
stored, nobody answers, and the shop is told (`doubtful`).
"""

from __future__ import annotations

from datetime import date
from email.utils import parsedate_to_datetime

from channels.email import evidence, reports
from channels.email.away import away_until
from channels.email.bounces import read_bounce
from channels.email.evidence import Mail
from channels.email.mail import Automatic, AutomaticKind, Content, Words
from channels.email.signs import any_of, load_signs


def classify(
    content: Content, *, sender: str | None, envelope_from: str | None, subject: str | None, words: Words
) -> Automatic | None:
    """Why nobody is to answer a mail, or None when a person wrote it.

    `sender` is the address in From, `envelope_from` empty for a bounce and None when unknown. What a delivery report
    or a receipt says of a mail of ours is in `bounce`, whatever its kind.
    """
    mail = Mail.of(content, sender, envelope_from, subject, words)
    return _answer_to_invitation(content) or _report(mail) or _ours(mail) or _in_words(mail) or _machine(mail)


def _answer_to_invitation(content: Content) -> Automatic | None:
    answer = reports.invitation_answer(content)
    if answer is None:
        return None
    return Automatic("calendar", answer.answer, about=answer.uid, says=answer.says)


def _report(mail: Mail) -> Automatic | None:
    """Mail with a part for machines. A person may attach such a report to a mail of their own."""
    if not (mail.is_report or evidence.is_from_a_system(mail)):
        return None
    if reports.has_part(mail.content, "disposition-notification"):
        return Automatic("read", "a receipt", bounce=read_bounce(mail.content, mail.words))
    if reports.has_part(mail.content, "feedback-report"):
        return Automatic("auto_reply", "a report that a mail of ours was called spam", doubtful=True)
    kind = reports.delivery(mail.content)
    if kind is None:
        return None
    return Automatic(kind, f"a delivery report: {kind}", bounce=read_bounce(mail.content, mail.words))


def _ours(mail: Mail) -> Automatic | None:
    """Mail of ours that somebody's forwarding sends back to us."""
    return Automatic("own", "our own mail came back") if evidence.is_ours(mail) else None


def _in_words(mail: Mail) -> Automatic | None:
    """Reports that say in words only what became of a mail of ours."""
    signs = load_signs()
    system = evidence.is_from_a_system(mail) or mail.envelope_from == ""
    everything = f"{mail.subject} {mail.everything}"
    if not (system or any_of(signs.subject_bounced, mail.subject)):
        return None
    bounce = read_bounce(mail.content, mail.words)
    if any_of(signs.delayed, everything):
        return Automatic("delayed", "a report in words: delayed", bounce=bounce)
    failed = "x-failed-recipients" in mail.headers or any_of(signs.bounced, everything)
    named = bounce.recipient is not None or bool(bounce.message_ids)
    return Automatic("bounce", "a report in words: failed", bounce=bounce) if failed and named else None


def _machine(mail: Mail) -> Automatic | None:
    sure = evidence.sure_sign(mail)
    if sure is not None:
        return _kind_of_machine(mail, sure)
    if (bulk := evidence.bulk_sign(mail)) is not None:
        return Automatic("list", bulk)
    if (said := evidence.says_so_itself(mail)) is not None:
        return _kind_of_machine(mail, said)
    if (perhaps := evidence.doubtful_sign(mail)) is not None:
        return Automatic("auto_reply", perhaps, doubtful=True)
    return None


def _kind_of_machine(mail: Mail, reason: str) -> Automatic:
    """Of a mail that certainly is a machine's: what it is about."""
    signs = load_signs()
    everything = f"{mail.subject} {mail.text}"
    if any_of(signs.challenge, everything):
        return Automatic("challenge", "somebody's filter wants the sender to prove something")
    if not evidence.is_an_answer(mail) and (bulk := evidence.bulk_sign(mail)) is not None:
        return Automatic("list", bulk)
    if any_of(signs.subject_away, mail.subject) or any_of(signs.away, mail.text):
        return Automatic("out_of_office", reason, until=_until(mail))
    kind: AutomaticKind = "list" if evidence.is_bulk_only(mail) else "auto_reply"
    return Automatic(kind, reason, doubtful=evidence.is_thin(mail))


def _until(mail: Mail) -> date | None:
    """The last day of an absence, counted from the mail's own date where its writer is."""
    try:
        sent = parsedate_to_datetime(mail.headers.get("date", "")).date()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return away_until(mail.text, sent) or away_until(mail.subject, sent)
