DROP TRIGGER service_catalog_stamp_new ON service_catalog;
DROP TRIGGER service_catalog_stamp_changed ON service_catalog;
DROP TRIGGER service_catalog_stamp_gone ON service_catalog;
DROP FUNCTION stamp_catalogue();

DROP TABLE catalogue_stamps, service_changes, service_sources;
