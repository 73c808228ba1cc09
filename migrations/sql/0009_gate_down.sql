DROP FUNCTION send_facts(bigint, bigint, bigint, bigint, bigint, text, text, text, text[], timestamptz, date);

-- The function of before, word for word.
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
    update public.chat_sessions s
       set last_inbound_id = message_id, last_inbound_at = p_now, last_channel = p_channel, answer_tries = 0,
           subject = coalesce(s.subject, p_subject), burst_started_at = burst, answer_due_at = due
     where s.id = chat.id;
    update public.touch_points p
       set status = 'paused', reason = 'the customer replied', claim_token = null, claimed_until = null,
           resume_at = p_now + make_interval(secs => p.resume_after_s)
     where p.lead_id = chat.lead_id and p.status in ('planned', 'claimed') and not p.outlives_replies;
    return next;
end
$$;
