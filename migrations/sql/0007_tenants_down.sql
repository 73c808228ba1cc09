DROP FUNCTION tenant_directory();

DROP FUNCTION route_tenant(text);
