CREATE OR REPLACE FUNCTION owed_work(at timestamptz, most int) RETURNS TABLE (job text, tenant_id bigint, row_id text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    (select 'answer', s.tenant_id, s.id::text from public.chat_sessions s
      where s.answer_due_at <= at and s.state = 'agent' and (s.lease_until is null or s.lease_until < at)
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
$$;

DROP FUNCTION open_crm_checks(timestamptz);

DROP FUNCTION route_api_key(text);

ALTER TABLE tenant_crm_configs DROP COLUMN settings, DROP COLUMN webhook_external_id, DROP COLUMN webhook_state;

DROP INDEX uq_appointments_external;
DROP INDEX ix_appointments_external_id;

ALTER TABLE appointments DROP COLUMN sync_due_at, DROP COLUMN sync_claimed_until, DROP COLUMN sync_tries,
    DROP COLUMN sync_error, DROP COLUMN sync_asked_at, DROP COLUMN external_starts_at,
    DROP COLUMN external_ends_at, DROP COLUMN external_version, DROP COLUMN tell_due_at, DROP COLUMN tell_known;

DROP INDEX ix_leads_external_customer;

ALTER TABLE leads DROP COLUMN merged_into_id, DROP COLUMN erased_at;

DROP TABLE crm_checks, api_requests, api_keys, lead_changes, lead_requests;
