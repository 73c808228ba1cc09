-- People: conversations of merged and of forgotten leads, and what may be erased of the two ledgers.

ALTER TABLE chat_sessions ADD COLUMN merged_into_id BIGINT, ADD COLUMN erased_at TIMESTAMP WITH TIME ZONE,
    ADD CONSTRAINT fk_chat_sessions_merged_into_id FOREIGN KEY(merged_into_id) REFERENCES chat_sessions (id);

-- Who was merged into whom, for whoever asks about all of a person's leads.
CREATE INDEX ix_leads_merged_into ON leads (merged_into_id) WHERE merged_into_id is not null;
-- Raw webhooks that were dealt with, by age: what retention deletes.
CREATE INDEX ix_webhook_events_done ON webhook_events (tenant_id, received_at)
    WHERE status in ('processed', 'ignored');

-- Nothing new comes to a lead that was merged or forgotten: whoever looked it up before, and writes after, is refused and
-- looks again. The lock waits for a merge under way. The agent's tool calls are refused the same way, so a turn that was
-- under way changes nothing any more.
CREATE FUNCTION refuse_gone_lead() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
declare
    gone record;
begin
    select l.merged_into_id, l.erased_at into gone from public.leads l where l.id = new.lead_id for key share;
    if gone.merged_into_id is not null or gone.erased_at is not null then
        raise exception 'lead % was merged or forgotten', new.lead_id using errcode = 'object_not_in_prerequisite_state';
    end if;
    return new;
end
$$;
REVOKE ALL ON FUNCTION refuse_gone_lead() FROM public;

CREATE FUNCTION refuse_gone_session() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
declare
    gone record;
begin
    select s.merged_into_id, s.erased_at into gone from public.chat_sessions s where s.id = new.session_id for key share;
    if gone.merged_into_id is not null or gone.erased_at is not null then
        raise exception 'conversation % was merged or forgotten', new.session_id
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    return new;
end
$$;
REVOKE ALL ON FUNCTION refuse_gone_session() FROM public;

CREATE TRIGGER tool_calls_gone BEFORE INSERT ON tool_calls FOR EACH ROW EXECUTE FUNCTION refuse_gone_session();
CREATE TRIGGER conversation_summaries_gone BEFORE INSERT ON conversation_summaries
    FOR EACH ROW EXECUTE FUNCTION refuse_gone_session();
CREATE TRIGGER touch_points_gone BEFORE INSERT ON touch_points FOR EACH ROW EXECUTE FUNCTION refuse_gone_lead();
CREATE TRIGGER vehicles_gone BEFORE INSERT ON vehicles FOR EACH ROW EXECUTE FUNCTION refuse_gone_lead();
CREATE TRIGGER lead_requests_gone BEFORE INSERT ON lead_requests FOR EACH ROW EXECUTE FUNCTION refuse_gone_lead();
CREATE TRIGGER offers_gone BEFORE INSERT ON offers FOR EACH ROW EXECUTE FUNCTION refuse_gone_lead();
CREATE TRIGGER appointments_gone BEFORE INSERT ON appointments
    FOR EACH ROW WHEN (new.lead_id is not null) EXECUTE FUNCTION refuse_gone_lead();

-- The ledger stays append-only in what it says: who, how, when, whether. Only words and the address of an event may be
-- erased, and only to the marks of an erasure.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
begin
    if tg_op = 'UPDATE' and tg_table_name = 'consent_events' then
        if new.evidence in (old.evidence, '[erased]')
            and (new.address = old.address or new.address = 'erased:' || old.id)
            and (to_jsonb(new) - array['evidence', 'address']) = (to_jsonb(old) - array['evidence', 'address']) then
            return new;
        end if;
    end if;
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;

-- Erase the words of the events about these addresses, and the addresses too except where `keeps` names them: on those a
-- stop stands. What else was said in the leads' conversations, as by somebody who wrote from another address, loses its
-- words and keeps its address.
CREATE FUNCTION erase_consents(addresses text[], keeps text[], people bigint[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
declare
    mine constant bigint := nullif(current_setting('app.tenant_id', true), '')::bigint;
    changed bigint;
begin
    update public.consent_events e
       set evidence = '[erased]',
           address = case when e.address = any(keeps) or not e.address = any(addresses) then e.address
                          else 'erased:' || e.id end
     where e.tenant_id = mine and e.address <> '*'
       and (e.address = any(addresses) or e.lead_id = any(people));
    get diagnostics changed = row_count;
    return changed;
end
$$;
REVOKE ALL ON FUNCTION erase_consents(text[], text[], bigint[]) FROM public;

-- Erase why messages went or did not: the verdict and its moment stay. At most one batch; returns how many rows.
CREATE FUNCTION erase_decisions(messages bigint[], before timestamptz) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
declare
    mine constant bigint := nullif(current_setting('app.tenant_id', true), '')::bigint;
    changed bigint;
begin
    update public.send_decisions d set reasons = '[]'
     where d.tenant_id = mine and d.message_id = any(messages) and d.decided_at < before and d.reasons <> '[]';
    get diagnostics changed = row_count;
    return changed;
end
$$;
REVOKE ALL ON FUNCTION erase_decisions(bigint[], timestamptz) FROM public;

-- Every business, the paused ones too: what is to be deleted after a time is deleted all the same.
CREATE FUNCTION every_tenant() RETURNS TABLE (id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    select t.id from public.tenants t order by t.id
$$;
REVOKE ALL ON FUNCTION every_tenant() FROM public;

-- The function of 0003_agent.sql with the way on to where a merged conversation is now.
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
       set status = 'paused', reason = 'the customer replied', claim_token = null, claimed_until = null
     where p.lead_id = chat.lead_id and p.status in ('planned', 'claimed') and p.plan <> 'follow_up';
    return next;
end
$$;
