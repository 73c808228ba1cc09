-- What the gate reads about one outbound message, as one call with plans that are kept: planning the statements anew for
-- every message took twice as long as running them. Nothing is decided here; the rules are in channels/gate.
-- Both run with the caller's rights, so row-level security holds inside.

-- A location's weekly hours, and the special hours and closures from a day on, each as a list or null.
CREATE FUNCTION shop_hours(p_location bigint, p_since date)
    RETURNS TABLE (weekly text, special text, closures text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public SET enable_seqscan = off SET jit = off AS $$
begin
    return query select
        (select json_agg(json_build_array(w.weekday, w.opens, w.closes) order by w.weekday, w.opens)
           from public.location_hours w where w.location_id = p_location)::text,
        (select json_agg(json_build_array(x.on_date, x.opens, x.closes) order by x.on_date, x.opens)
           from public.location_special_hours x where x.location_id = p_location and x.on_date >= p_since)::text,
        (select json_agg(json_build_array(c.starts_on, c.ends_on) order by c.starts_on, c.ends_on)
           from public.location_closures c where c.location_id = p_location and c.ends_on >= p_since)::text;
end
$$;
REVOKE ALL ON FUNCTION shop_hours(bigint, date) FROM public;

-- Each statement in here sees what was committed before it began, so what is read is never older than the locks: the
-- conversation, which a stop, a person or a newer message would lock, and for a touch every address of the person, so
-- that two shops that write to one person wait for each other. Addresses are locked in one fixed order.
--
-- Sequential scans are off because a plan is kept for as long as its connection: one that was made while the tables
-- were almost empty would walk through them when they are full. That makes costs enormous, and those start the JIT.
CREATE FUNCTION gate_facts(
    p_tenant bigint, p_chat bigint, p_lead bigint, p_message bigint, p_point bigint, p_kind text, p_channel text,
    p_to text, p_blocks text[], p_now timestamptz, p_since date
) RETURNS TABLE (
    location_id bigint, chat_state text, last_inbound_id bigint, last_inbound_at timestamptz,
    phone text, email text, phone_bad_since timestamptz, email_bad_since timestamptz, postal_code text, lead_state text,
    source text, timezone text, shop_state text, holidays text, tenant_status text, settings text,
    point_lead bigint, cadence_run bigint, step bigint,
    consent json, block text, block_reason text, has_appointment boolean, earlier json,
    weekly text, special text, closures text
) LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public SET enable_seqscan = off SET jit = off AS $$
declare
    people bigint[];
    addresses text[];
    wording text;
begin
    select s.location_id, s.state, s.last_inbound_id, s.last_inbound_at
      into location_id, chat_state, last_inbound_id, last_inbound_at
      from public.chat_sessions s where s.id = p_chat for update;
    if not found then
        return;
    end if;
    select l.phone, l.email, l.phone_bad_since, l.email_bad_since, l.postal_code, l.state, l.source,
           o.timezone, o.state, o.holidays::text, t.status, t.settings::text
      into phone, email, phone_bad_since, email_bad_since, postal_code, lead_state, source,
           timezone, shop_state, holidays, tenant_status, settings
      from public.leads l, public.locations o, public.tenants t
     where l.id = p_lead and o.id = gate_facts.location_id and t.id = p_tenant;
    if not found then
        return;
    end if;
    if p_point is not null then
        select q.lead_id, q.cadence_run, q.step, q.template into point_lead, cadence_run, step, wording
          from public.touch_points q where q.id = p_point;
    end if;

    -- In the order in which it was said. The ledger's email addresses are in small letters; the collation makes that the
    -- same ones in every database.
    select json_agg(json_build_array(e.id, e.channel, e.address, e.action, e.actor, e.source, e.scope, e.effective_at)
                    order by e.id)
      into consent
      from public.consent_events e
     where e.tenant_id = p_tenant
       and ((e.channel = 'sms' and e.address in ('*', gate_facts.phone))
            or (e.channel = 'email' and e.address = lower(gate_facts.email collate "C")));
    if p_blocks is not null then
        select b.template, b.reason into block, block_reason from public.template_blocks b
         where b.channel = p_channel and b.template = any(p_blocks || wording) and b.lifted_at is null limit 1;
    end if;

    if p_kind = 'touch' then
        -- By location, because that is how the two indexes begin.
        select array_agg(h.id), array_agg(h.phone) || array_agg(h.email) into people, addresses
          from (select l.id, l.phone, l.email from public.leads l where l.id = p_lead
                union
                select l.id, l.phone, l.email from public.locations o join public.leads l on l.location_id = o.id
                 where o.tenant_id = p_tenant and l.phone = nullif(gate_facts.phone, '')
                union
                select l.id, l.phone, l.email from public.locations o join public.leads l on l.location_id = o.id
                 where o.tenant_id = p_tenant and l.email = nullif(gate_facts.email, '')) h;
        perform pg_advisory_xact_lock(number)
           from (select distinct hashtextextended('touch:' || p_tenant || ':' || one, 0) as number
                   from unnest(addresses || p_to) as one where one <> '' order by 1) numbers;
        has_appointment := exists(
            select from public.appointments a
             where a.lead_id = p_lead and a.status in ('booked', 'confirmed') and a.ends_at > p_now);
        -- What is with the carrier, or may be, has no time of sending yet and counts all the same.
        select json_agg(json_build_array(m.channel, m.sent_at, q.lead_id, q.cadence_run, q.step)
                        order by coalesce(m.sent_at, p_now), m.id)
          into earlier
          from public.chat_sessions s
          join public.chat_messages m on m.session_id = s.id
          left join public.touch_points q on q.id = m.touch_point_id
         where s.lead_id = any(people) and m.kind = 'touch' and m.id <> p_message
           and (m.status in ('sending', 'unknown')
                or (m.status in ('sent', 'delivered') and m.sent_at > p_now - interval '24 hours'));
        if p_channel = 'sms' then
            select h.weekly, h.special, h.closures into weekly, special, closures
              from public.shop_hours(gate_facts.location_id, p_since) h;
        end if;
    end if;
    return next;
end
$$;
REVOKE ALL ON FUNCTION gate_facts(bigint, bigint, bigint, bigint, bigint, text, text, text, text[], timestamptz, date)
    FROM public;
