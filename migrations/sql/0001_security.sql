-- Tenancy in the database. The application role owns nothing, so every policy below holds for it; the owner runs
-- migrations and owns the narrow routing functions.

-- Every table with a tenant_id: a row is seen and written only in its own tenant's scope. "is not distinct from"
-- keeps rows of nobody (webhook_events, job_executions without a tenant) out of every tenant's sight.
do $$
declare
    t text;
begin
    for t in
        select c.table_name from information_schema.columns c
        where c.table_schema = 'public' and c.column_name = 'tenant_id'
    loop
        execute format('alter table %I enable row level security', t);
        if t in ('webhook_events', 'job_executions') then
            execute format(
                'create policy own_tenant on %I using (tenant_id is not distinct from '
                'nullif(current_setting(''app.tenant_id'', true), '''')::bigint)', t);
        else
            execute format(
                'create policy own_tenant on %I using (tenant_id = '
                'nullif(current_setting(''app.tenant_id'', true), '''')::bigint)', t);
        end if;
    end loop;
end
$$;

alter table tenants enable row level security;
create policy own_tenant on tenants
    using (id = nullif(current_setting('app.tenant_id', true), '')::bigint);

-- The consent ledger is append-only for everybody, the owner included.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;
create trigger consent_events_append_only before update or delete on consent_events
    for each row execute function refuse_change();

-- Routing: an address in, ids out. These are the only look-ups across tenants.
create function route_phone(key text) returns table (tenant_id bigint, row_id bigint)
    language sql stable security definer set search_path = pg_catalog, public as
    $$ select l.tenant_id, l.id from public.locations l where l.phone = key $$;

create function route_mailbox(key text) returns table (tenant_id bigint, row_id bigint)
    language sql stable security definer set search_path = pg_catalog, public as
    $$ select l.tenant_id, l.id from public.locations l where l.mailbox = key $$;

create function route_hook(key text) returns table (tenant_id bigint, row_id bigint)
    language sql stable security definer set search_path = pg_catalog, public as
    $$ select c.tenant_id, c.id from public.tenant_crm_configs c where c.hook_token = key and c.enabled $$;

create function route_outbox(key uuid) returns table (tenant_id bigint, row_id bigint)
    language sql stable security definer set search_path = pg_catalog, public as
    $$ select m.tenant_id, m.id from public.chat_messages m where m.outbox_id = key $$;

create function active_tenants() returns table (id bigint, slug text, name text)
    language sql stable security definer set search_path = pg_catalog, public as
    $$ select t.id, t.slug, t.name from public.tenants t where t.status = 'active' order by t.id $$;

-- Everything owed at a moment and held by nobody; ids only.
create function owed_work(at timestamptz, most int) returns table (job text, tenant_id bigint, row_id text)
    language sql stable security definer set search_path = pg_catalog, public as $$
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

revoke all on function route_phone(text), route_mailbox(text), route_hook(text), route_outbox(uuid),
    active_tenants(), owed_work(timestamptz, int) from public;
