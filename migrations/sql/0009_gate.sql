-- What the gate reads, with more to it, and a last word that never goes back.
--
-- A function of a new name, because its columns are more: code of before goes on reading `gate_facts` of 0006_gate.sql,
-- which a later migration may take away. What is said there of locks and plans holds here. New: where the lead stands, of
-- which plan a touch is and whether a wave chose its lead in the state it is in; the block of a touch's step; and an
-- appointment or a person on the line at any shop of the business that knows the same person.
CREATE FUNCTION send_facts(
    p_tenant bigint, p_chat bigint, p_lead bigint, p_message bigint, p_point bigint, p_kind text, p_channel text,
    p_to text, p_blocks text[], p_now timestamptz, p_since date
) RETURNS TABLE (
    location_id bigint, chat_state text, last_inbound_id bigint, last_inbound_at timestamptz,
    phone text, email text, phone_bad_since timestamptz, email_bad_since timestamptz, postal_code text, lead_state text,
    source text, timezone text, shop_state text, holidays text, tenant_status text, settings text,
    point_lead bigint, cadence_run bigint, step bigint,
    consent json, block text, block_reason text, has_appointment boolean, earlier json,
    weekly text, special text, closures text,
    lead_status text, plan text, chosen_so boolean
) LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public SET enable_seqscan = off SET jit = off AS $$
declare
    people bigint[];
    addresses text[];
    wording text[];
begin
    select s.location_id, s.state, s.last_inbound_id, s.last_inbound_at
      into location_id, chat_state, last_inbound_id, last_inbound_at
      from public.chat_sessions s where s.id = p_chat for update;
    if not found then
        return;
    end if;
    select l.phone, l.email, l.phone_bad_since, l.email_bad_since, l.postal_code, l.state, l.source,
           o.timezone, o.state, o.holidays::text, t.status, t.settings::text, l.status
      into phone, email, phone_bad_since, email_bad_since, postal_code, lead_state, source,
           timezone, shop_state, holidays, tenant_status, settings, lead_status
      from public.leads l, public.locations o, public.tenants t
     where l.id = p_lead and o.id = send_facts.location_id and t.id = p_tenant;
    if not found then
        return;
    end if;
    if p_point is not null then
        -- The second name is that of `crm.template_blocks.step_name`. A wave chooses leads as they are: one whose state
        -- nobody changed since then is not over for that.
        select q.lead_id, q.cadence_run, q.step, q.plan,
               array[q.template, 'step:' || q.plan || ':' || q.step || ':' || p_channel],
               q.wave_id is not null and not exists(
                   select from public.lead_changes c
                    where c.lead_id = p_lead and c.what = 'state' and c.at > q.created_at)
          into point_lead, cadence_run, step, plan, wording, chosen_so
          from public.touch_points q where q.id = p_point;
    end if;

    -- In the order in which it was said. The ledger's email addresses are in small letters; the collation makes that the
    -- same ones in every database.
    select json_agg(json_build_array(e.id, e.channel, e.address, e.action, e.actor, e.source, e.scope, e.effective_at)
                    order by e.id)
      into consent
      from public.consent_events e
     where e.tenant_id = p_tenant
       and ((e.channel = 'sms' and e.address in ('*', send_facts.phone))
            or (e.channel = 'email' and e.address = lower(send_facts.email collate "C")));
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
                 where o.tenant_id = p_tenant and l.phone = nullif(send_facts.phone, '')
                union
                select l.id, l.phone, l.email from public.locations o join public.leads l on l.location_id = o.id
                 where o.tenant_id = p_tenant and l.email = nullif(send_facts.email, '')) h;
        perform pg_advisory_xact_lock(number)
           from (select distinct hashtextextended('touch:' || p_tenant || ':' || one, 0) as number
                   from unnest(addresses || p_to) as one where one <> '' order by 1) numbers;
        has_appointment := exists(
            select from public.appointments a
             where a.lead_id = any(people) and a.status in ('booked', 'confirmed') and a.ends_at > p_now);
        -- Who talks with a person at one shop hears no machine from another one. Conversations that are closed because
        -- their lead was merged or forgotten have that state as well.
        if exists(select from public.chat_sessions s
                   where s.lead_id = any(people) and s.state = 'human'
                     and s.merged_into_id is null and s.erased_at is null) then
            chat_state := 'human';
        end if;
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
              from public.shop_hours(send_facts.location_id, p_since) h;
        end if;
    end if;
    return next;
end
$$;
REVOKE ALL ON FUNCTION send_facts(bigint, bigint, bigint, bigint, bigint, text, text, text, text[], timestamptz, date)
    FROM public;

-- The function of 0008_cadence.sql; code of before calls it the same way.
create or replace function store_inbound(
    p_tenant bigint, p_location bigint, p_session bigint, p_channel text, p_kind text, p_body text, p_body_full text,
    p_subject text, p_from text, p_to text, p_carrier text, p_carrier_id text, p_rfc_message_id text,
    p_rfc_references text, p_raw jsonb, p_now timestamptz, p_answer boolean, p_plain boolean,
    p_quiet double precision, p_longest double precision
) returns table (session_id bigint, message_id bigint, is_human boolean, is_first boolean, due timestamptz)
    language plpgsql set search_path = pg_catalog, public as $$
declare
    chat record;
    settings jsonb;
    quiet interval;
    burst timestamptz;
    last_word timestamptz;
    is_automatic constant boolean := p_kind = 'automatic';
begin
    perform set_config('app.tenant_id', p_tenant::text, true);
    if p_session is null then
        if p_channel = 'sms' then
            select l.id into p_session from public.leads l where l.location_id = p_location and l.phone = p_from;
        else
            select l.id into p_session from public.leads l where l.location_id = p_location and l.email = p_from;
        end if;
        select s.* into chat from public.chat_sessions s where s.lead_id = p_session for update;
    else
        select s.* into chat from public.chat_sessions s where s.id = p_session for update;
    end if;
    -- Of a lead that was merged the conversation goes on in another one. Whoever merges locks both, and never one that
    -- was merged already, so waiting here cannot be a circle.
    while chat.merged_into_id is not null loop
        select s.* into chat from public.chat_sessions s where s.id = chat.merged_into_id for update;
    end loop;
    -- In the conversation of somebody who was forgotten nobody writes any more.
    if chat.id is null or chat.erased_at is not null
        or (p_plain and (chat.state <> 'agent' or chat.last_inbound_id is null)) then
        return;
    end if;

    insert into public.chat_messages (tenant_id, session_id, lead_id, direction, channel, kind, status, body, body_full,
        subject, from_address, to_address, carrier, carrier_id, rfc_message_id, rfc_references, raw, received_at,
        created_at)
    values (p_tenant, chat.id, chat.lead_id, 'in', p_channel, p_kind, 'received', p_body, p_body_full, p_subject,
        p_from, p_to, p_carrier, p_carrier_id, p_rfc_message_id, p_rfc_references, p_raw, p_now, p_now)
    on conflict (tenant_id, channel, carrier_id) do nothing
    returning id into message_id;

    session_id := chat.id;
    is_human := chat.state = 'human';
    is_first := chat.last_inbound_id is null;
    due := chat.answer_due_at;
    if message_id is null or is_automatic then
        due := null;
        return next;
        return;
    end if;

    if p_answer and not is_human then
        select t.settings into settings from public.tenants t where t.id = p_tenant;
        quiet := make_interval(secs => coalesce((settings ->> ('quiet_window_' || p_channel || '_s'))::float8, p_quiet));
        burst := case when chat.answer_due_at is null then p_now else chat.burst_started_at end;
        due := least(p_now + quiet, burst
            + greatest(quiet, make_interval(secs => coalesce((settings ->> 'max_burst_wait_s')::float8, p_longest))));
    end if;
    -- A mail may be taken in long after it was posted, and clocks differ: what was said last is never earlier than before.
    last_word := greatest(chat.last_inbound_at, p_now);
    update public.chat_sessions s
       set last_inbound_id = message_id, last_inbound_at = last_word, last_channel = p_channel, answer_tries = 0,
           subject = coalesce(s.subject, p_subject), burst_started_at = burst, answer_due_at = due
     where s.id = chat.id;
    update public.touch_points p
       set status = 'paused', reason = 'the customer replied', claim_token = null, claimed_until = null,
           resume_at = last_word + make_interval(secs => p.resume_after_s)
     where p.lead_id = chat.lead_id and p.status in ('planned', 'claimed') and not p.outlives_replies;
    return next;
end
$$;
