"""What came of touches, by one stated rule, as parts of a query over whole sets: nothing is asked touch by touch.

A reply, a booking or a stop counts for one touch at most: the newest one, of any plan and on any channel, that went out
to the lead before it and did not come back. The moment it left is what counts, because the carrier's word that it
arrived may come late or never.
"""

from __future__ import annotations

from datetime import timedelta

ANSWERED_WITHIN = timedelta(hours=72)
BOOKED_WITHIN = timedelta(days=7)
STOPPED_WITHIN = timedelta(hours=72)
# A touch leaves later than it was due (hours, caps, an outage), but never so much later.
LONGEST_WAIT = timedelta(days=14)
RULE = (
    "A reply counts for the newest touch that went out to the lead before it, on any channel, within 72 hours;"
    " a booking for the newest one within 7 days; a stop for the newest one within 72 hours, and is no reply."
    " A touch counts once, however many follow it."
)
WINDOWS = {
    "answered_within": ANSWERED_WITHIN,
    "booked_within": BOOKED_WITHIN,
    "stopped_within": STOPPED_WITHIN,
    "longest_wait": LONGEST_WAIT,
}

# Parameters of all parts: tenant, since, until, and WINDOWS. `sent`: touches that went out, each with the moment of the
# next one to the lead. Two of one moment: the later row is the newest.
SENT = """
sent as materialized (
    select t.id, t.lead_id, t.plan, t.step, t.channel, t.kind, m.sent_at,
           coalesce(lead(m.sent_at) over (partition by t.lead_id order by m.sent_at, t.id), 'infinity') as next_at
      from touch_points t
      join chat_messages m on m.id = t.message_id
     where t.tenant_id = :tenant and t.status = 'written'
       and t.due_at >= cast(:since as timestamptz) - cast(:longest_wait as interval) and t.due_at < :until
       and m.status in ('sent', 'delivered') and m.sent_at is not null
)"""

# Stops by the person or their carrier. Some are recorded of an address and a message, and not of a lead; what the shop's
# own people wrote is no customer's.
STOPS = """
stops as materialized (
    select coalesce(e.lead_id, m.lead_id) as lead_id, e.message_id, e.effective_at as at
      from consent_events e
      left join chat_messages m on m.id = e.message_id and m.kind not in ('automatic', 'notice')
     where e.tenant_id = :tenant and e.action = 'revoke' and e.actor in ('customer', 'carrier')
       and e.effective_at > cast(:since as timestamptz) - cast(:longest_wait as interval)
), opted_out as (
    select distinct s.id from sent s join stops x on x.lead_id = s.lead_id
     where x.at > s.sent_at and x.at <= least(s.next_at, s.sent_at + cast(:stopped_within as interval))
)"""

ANSWERS = """
answered as (
    select distinct s.id from sent s join chat_messages i on i.lead_id = s.lead_id
     where i.tenant_id = :tenant and i.direction = 'in' and i.kind = 'inbound'
       and i.received_at > cast(:since as timestamptz) - cast(:longest_wait as interval)
       and i.received_at > s.sent_at
       and i.received_at <= least(s.next_at, s.sent_at + cast(:answered_within as interval))
       and i.id not in (select x.message_id from stops x where x.message_id is not null)
)"""

# When it was made stands in an appointment's history; created_at is the server's own clock and only a last resort.
BOOKINGS = """
booked as (
    select distinct s.id from sent s
      join (select a.lead_id, coalesce(cast(a.history -> 0 ->> 'when' as timestamptz), a.created_at) as at
              from appointments a
             where a.tenant_id = :tenant and a.lead_id in (select lead_id from sent)) b on b.lead_id = s.lead_id
     where b.at > s.sent_at and b.at <= least(s.next_at, s.sent_at + cast(:booked_within as interval))
)"""
