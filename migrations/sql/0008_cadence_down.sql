-- The functions of before, word for word.
CREATE OR REPLACE FUNCTION owed_work(at timestamptz, most int) RETURNS TABLE (job text, tenant_id bigint, row_id text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    (select 'answer', s.tenant_id, s.id::text from public.chat_sessions s
      where s.answer_due_at <= at and (s.lease_until is null or s.lease_until < at)
      order by s.answer_due_at limit most)
    union all
    (select case m.status when 'pending' then 'deliver' else 'reconcile' end, m.tenant_id, m.id::text
       from public.chat_messages m
      where m.status in ('pending', 'sending', 'unknown') and m.send_after <= at
        and (m.claimed_until is null or m.claimed_until < at)
      order by m.send_after limit most)
    union all
    (select 'touch', t.tenant_id, t.id::text from public.touch_points t
      where t.status in ('planned', 'claimed') and t.due_at <= at
        and (t.claimed_until is null or t.claimed_until < at)
      order by t.due_at limit most)
    union all
    (select 'webhook', w.tenant_id, w.id::text from public.webhook_events w
      where w.status = 'received' and w.next_try_at <= at and (w.claimed_until is null or w.claimed_until < at)
      order by w.next_try_at limit most)
    union all
    (select 'media', m.tenant_id, m.id::text from public.message_media m
      where m.status = 'owed' and m.next_try_at <= at and (m.claimed_until is null or m.claimed_until < at)
      order by m.next_try_at limit most)
    union all
    (select 'consent_push', p.tenant_id, p.id::text from public.consent_pushes p
      where p.status = 'owed' and p.next_try_at <= at and (p.claimed_until is null or p.claimed_until < at)
      order by p.next_try_at limit most)
    union all
    (select 'carrier_check', c.tenant_id, c.id::text from public.carrier_checks c
      where c.next_at <= at and (c.claimed_until is null or c.claimed_until < at)
      order by c.next_at limit most)
    union all
    (select 'suppression_check', coalesce(c.tenant_id, 0), c.id::text from public.suppression_checks c
      where c.next_at <= at and (c.claimed_until is null or c.claimed_until < at)
      order by c.next_at limit most)
    union all
    (select 'crm_check', c.tenant_id, c.id::text from public.crm_checks c
      where c.next_at <= at and (c.claimed_until is null or c.claimed_until < at)
      order by c.next_at limit most)
    union all
    (select 'appointment_push', a.tenant_id, a.id::text from public.appointments a
      where a.sync_due_at <= at and (a.sync_claimed_until is null or a.sync_claimed_until < at)
      order by a.sync_due_at limit most)
    union all
    (select 'appointment_tell', a.tenant_id, a.id::text from public.appointments a
      where a.tell_due_at <= at
      order by a.tell_due_at limit most)
$$;

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

DROP FUNCTION touches_due(timestamptz);

DROP FUNCTION claim_touches(timestamptz, uuid, timestamptz, int, int);

DELETE FROM touch_texts;
-- Its cost stays; the code of before knows two purposes.
UPDATE model_attempts SET purpose = 'summary' WHERE purpose = 'touch';
ALTER TABLE model_attempts
    DROP CONSTRAINT ck_model_attempts_purpose,
    ADD CONSTRAINT ck_model_attempts_purpose CHECK (purpose in ('turn', 'summary'));
DELETE FROM touch_points WHERE kind <> 'touch';

DROP INDEX ix_chat_messages_troubled;
DROP INDEX uq_job_executions_periodic;
DROP INDEX ix_job_executions_failed;
ALTER TABLE job_executions DROP COLUMN tries;

CREATE INDEX ix_touch_points_due ON touch_points (due_at) WHERE status in ('planned', 'claimed');
DROP INDEX ix_appointments_remind_due;
ALTER TABLE appointments DROP COLUMN remind_due_at;
DROP INDEX ix_touch_points_claim;
DROP INDEX ix_touch_points_lost;
DROP INDEX ix_touch_points_over;
DROP INDEX ix_chat_messages_inbound;
DROP INDEX ix_consent_events_revoked;

ALTER TABLE touch_points DROP COLUMN plan_version, DROP COLUMN kind, DROP COLUMN appointment_id,
    DROP COLUMN resume_after_s, DROP COLUMN resume_at, DROP COLUMN outlives_replies, DROP COLUMN wave_id;

DROP TABLE touch_texts, template_versions, cadence_plans, waves;
