-- Which businesses there are, for whoever runs the installation: no customer's data, counts at most.

CREATE FUNCTION route_tenant(key text) RETURNS TABLE (tenant_id bigint, row_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    select t.id, t.id from public.tenants t where t.slug = key
$$;
REVOKE ALL ON FUNCTION route_tenant(text) FROM public;

CREATE FUNCTION tenant_directory() RETURNS TABLE (id bigint, slug text, name text, status text, locations bigint,
    leads bigint, connectors text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    with places as (select l.tenant_id, count(*) as many from public.locations l group by l.tenant_id),
         people as (select d.tenant_id, count(*) as many from public.leads d group by d.tenant_id),
         systems as (select c.tenant_id, array_agg(c.connector::text order by c.connector) as names
                       from public.tenant_crm_configs c where c.enabled group by c.tenant_id)
    select t.id, t.slug, t.name, t.status, coalesce(p.many, 0), coalesce(d.many, 0),
           coalesce(s.names, array[]::text[])
      from public.tenants t
      left join places p on p.tenant_id = t.id
      left join people d on d.tenant_id = t.id
      left join systems s on s.tenant_id = t.id
     order by t.id
$$;
REVOKE ALL ON FUNCTION tenant_directory() FROM public;
