"""What customers do in the simulation, through the same doors as in life; the truth about it is noted beside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from channels.inbound import Inbound
from channels.inbox import receive
from crm.consents import record_consent
from crm.leads import LeadData, upsert_lead
from crm.models import Appointment, ChatSession, Lead
from crm.sessions import open_session
from scheduler.touches import start_cadence
from tests.chaos.simulation_dice import Dice
from tests.chaos.simulation_faults import Killed
from tests.chaos.simulation_people import Deed, Enquiry
from tests.chaos.simulation_truth import Said, Truth
from tests.chaos.simulation_world import World
from tests.runtimes import PUBLIC
from tests.standins.twilio_messages import new_sid

STOP_WORDS = ("STOP", "stop", "UNSUBSCRIBE", "cancel", "End", "quit", "STOPALL", "revoke", "optout")
STOP_PHRASES = (
    "Please stop texting me", "take me off your list", "Don't text me anymore", "remove me from this list",
    "lose my number", "stop sending me messages", "no me escriban mas", "STOP texting me!!", "do not contact me again",
)  # fmt: skip
STOP_MAILS = ("unsubscribe", "Please remove me from your mailing list", "Stop emailing me.")
# How an inbound text reaches us.
WAYS = {"well": 84, "twice": 6, "twice, late": 2, "lost": 5, "worker dies": 3}
# A text whose webhook failed is looked for in the carrier's list every few minutes; the sweeper is the slow one here.
HEARD_BY_THEN = timedelta(minutes=90)
# Every booking has an hour of its own there.
FAR_AHEAD = datetime(2029, 1, 1, tzinfo=UTC)
PATH = f"{PUBLIC}/hooks/twilio/sms"


class Customers:
    """Everything that comes from outside."""

    def __init__(self, world: World, dice: Dice, truth: Truth) -> None:
        self.world, self.dice, self.truth = world, dice, truth
        self.lost_at: datetime | None = None
        self.again: list[tuple[datetime, str, Enquiry, str]] = []

    def ask_for_a_quote(self, one: Enquiry) -> None:
        """A new lead: by a form, or by a text of their own first."""
        if one.consent == "text":
            self._text(one, "Hi, how much is ceramic tint for a 2019 Civic?", 0)
            self.truth.may_text.add((one.shop.tenant, one.phone))
        self.arrive_from_crm(one, consent=one.consent == "form")

    def arrive_from_crm(self, one: Enquiry, *, consent: bool) -> None:
        """The lead comes from the shop's system, for the first time or once more."""
        shop, now = self.world.shops[one.shop.slug], self.world.clock.now()
        source = "text" if one.consent == "text" else "shopmonkey"
        data = LeadData(source=source, first_name=f"P{one.number}", phone=one.phone, email=one.email)
        with self.world.db.tenant(shop.tenant_id) as session:
            lead, _ = upsert_lead(session, shop.tenant_id, shop.location_id, data)
            lead.postal_code = lead.postal_code or one.zip_code
            if consent:
                record_consent(
                    session, tenant_id=shop.tenant_id, channel="sms", address=one.phone, action="grant", actor="crm",
                    source="form", evidence="the box was ticked", effective_at=now, lead_id=lead.id,
                )  # fmt: skip
                self.truth.may_text.add((one.shop.tenant, one.phone))
            rows = start_cadence(session, lead, open_session(session, lead), now=now)
            first = [(row.id, row.due_at) for row in rows if row.status == "planned"][:1]
        for row_id, due in first:
            self.world.runtime.queue.wake("touch", shop.tenant_id, row_id, due)

    def do(self, one: Enquiry, deed: Deed) -> None:
        """One deed of a customer."""
        self.world.counts[f"customer: {deed.what}"] += 1
        number, now = deed.number, self.world.clock.now()
        match deed.what:
            case "ask":
                self._text(one, f"How long does it take for {number + 2} windows? ({one.number})", number + 1)
                self.truth.may_text.add((one.shop.tenant, one.phone))
            case "stop word" | "stop phrase" | "wrong number":
                self._stop_by_text(one, deed, now)
            case "stop mail" if one.email:
                self._mail(one, self._pick(STOP_MAILS, one, deed), number)
                self.truth.stop_by_mail(one, Said(now, now, "mail"))
            case "start":
                self.truth.start_by_text(one, now)
                self._text(one, "START", number + 1)
            case "help":
                self._text(one, "HELP", number + 1)
            case "like":
                self._text(one, "Liked “Reply STOP to opt out”", number + 1)
            case "picture":
                self._text(one, "", number + 1, picture=True)
                self.truth.may_text.add((one.shop.tenant, one.phone))
            case "booking":
                self._book(one, now)
            case "takeover":
                self._take_over(one, now)
            case "again":
                self.arrive_from_crm(one, consent=True)

    def repeat(self, one: Enquiry, sid: str, body: str) -> None:
        """The carrier delivers an old text once more."""
        self._post(one, body, sid)

    def _pick(self, words: tuple[str, ...], one: Enquiry, deed: Deed) -> str:
        return words[int(self.dice.roll("words", one.number, deed.number) * len(words))]

    def _stop_by_text(self, one: Enquiry, deed: Deed, now: datetime) -> None:
        words = {"stop word": STOP_WORDS, "stop phrase": STOP_PHRASES, "wrong number": ("Wrong number",)}[
            deed.what
        ]
        body = self._pick(words, one, deed)
        # Nobody has committed anything before; what leaves until then is not after the stop.
        heard = self._text(one, body, deed.number + 1)
        said = Said(now, now if heard else now + HEARD_BY_THEN, body)
        self.truth.stop_by_text(one, said, wrong_number=deed.what == "wrong number")

    def _text(self, one: Enquiry, body: str, number: int, *, picture: bool = False) -> bool:
        """Send a text to the shop; False when our side may not have it yet."""
        way = self.dice.one_of(WAYS, "way", one.number, number)
        sid = new_sid("MM" if picture else "SM")
        media = [("image/png", b"\x89PNG a picture")] if picture else []
        self.world.counts[f"text in: {way}"] += 1
        now = self.world.clock.now()
        if way in ("lost", "worker dies"):
            self.lost_at = now
        if way == "lost":
            lose = self.world.twilio.lose_inbound
            sid = lose(one.phone, one.shop.phone, body, media=media, account=self._account(one)).sid
            self.truth.written[sid] = (one.shop.tenant, one.phone, body, now)
            return False
        self.truth.written[sid] = (one.shop.tenant, one.phone, body, now)
        if way == "worker dies":
            at, committed = (
                1 + int(self.dice.roll("dies at", one.number, number) * 2),
                self.dice.happens(0.5, "dies", one.number, number),
            )
            self.world.db.arm(at, committed=committed)
        heard = self._post(one, body, sid, media)
        if way == "twice":
            self._post(one, body, sid)
        elif way == "twice, late":
            self.again.append((now + timedelta(hours=7), sid, one, body))
        return heard

    def _post(self, one: Enquiry, body: str, sid: str, media: list[tuple[str, bytes]] | None = None) -> bool:
        try:
            answer = self.world.twilio.inbound(
                PATH, one.phone, one.shop.phone, body, sid=sid, media=media, account=self._account(one)
            )
        except Killed:
            self.world.counts["webhooks that died"] += 1
            return False
        finally:
            self.world.db.disarm()
        if answer.status_code != 200:
            raise AssertionError(f"a webhook was answered with {answer.status_code}: {answer.text[:200]}")
        return True

    def _mail(self, one: Enquiry, body: str, number: int) -> None:
        shop, key = self.world.shops[one.shop.slug], f"mail-in-{one.number}-{number}"
        inbound = Inbound(
            tenant_id=shop.tenant_id, location_id=shop.location_id, channel="email", carrier="sendgrid", carrier_id=key,
            from_address=one.email or "", to_address=f"shop@{one.shop.slug}.example", body=body, subject="Re: your request",
            received_at=self.world.clock.now(), rfc_message_id=f"<{key}@example.com>",
        )  # fmt: skip
        runtime = self.world.runtime
        receive(runtime.db, runtime.queue, inbound, we_confirm_stops=True)

    def _account(self, one: Enquiry) -> str:
        account = self.world.shops[one.shop.slug].account
        return "" if account == self.world.twilio.account_sid else account

    def _take_over(self, one: Enquiry, now: datetime) -> None:
        """A person of the shop takes the conversation and keeps it."""
        with self.world.db.tenant(self.world.shops[one.shop.slug].tenant_id) as session:
            chat = self._conversation(session, one)
            if chat is not None:
                chat.state, chat.state_reason = "human", "Sam answers"
                self.truth.humans[one.number] = now

    def _conversation(self, session: Session, one: Enquiry) -> ChatSession | None:
        return session.scalars(
            select(ChatSession)
            .join(Lead, Lead.id == ChatSession.lead_id)
            .where(Lead.location_id == self.world.shops[one.shop.slug].location_id, Lead.phone == one.phone)
            .with_for_update(of=ChatSession)
        ).first()

    def _book(self, one: Enquiry, now: datetime) -> None:
        shop = self.world.shops[one.shop.slug]
        begins = FAR_AHEAD + timedelta(hours=2 * one.number)
        with self.world.db.tenant(shop.tenant_id) as session:
            chat = self._conversation(session, one)
            if chat is None or one.number in self.truth.booked:
                return
            session.add(
                Appointment(
                    tenant_id=shop.tenant_id, location_id=shop.location_id, bay_id=shop.bay_id, lead_id=chat.lead_id,
                    service_ids=[shop.service_id], starts_at=begins, ends_at=begins + timedelta(hours=1), source="staff",
                )
            )  # fmt: skip
        self.truth.booked[one.number] = now
