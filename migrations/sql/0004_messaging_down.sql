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
$$;

DROP FUNCTION route_account(text);

DROP FUNCTION open_carrier_checks(timestamptz, boolean);

ALTER TABLE chat_messages DROP COLUMN segments;

ALTER TABLE leads DROP COLUMN postal_code, DROP COLUMN state;

DROP TABLE carrier_checks, consent_pushes, template_blocks, carrier_accounts, message_media;
