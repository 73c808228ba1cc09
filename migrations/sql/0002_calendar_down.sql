ALTER TABLE appointments DROP CONSTRAINT ex_appointments_bay_overlap;
DROP INDEX ix_appointments_location_blocked_until;
DROP TRIGGER appointments_blocked_time ON appointments;
DROP FUNCTION fill_in_blocked_time();
ALTER TABLE appointments
    DROP CONSTRAINT ck_appointments_visit,
    DROP CONSTRAINT ck_appointments_arrival,
    DROP CONSTRAINT ck_appointments_blocked,
    DROP COLUMN blocked_from,
    DROP COLUMN blocked_until,
    DROP COLUMN visit,
    DROP COLUMN arrives_from,
    DROP COLUMN arrives_until,
    DROP COLUMN labour_minutes,
    DROP COLUMN override,
    DROP COLUMN sequence,
    ADD CONSTRAINT ex_appointments_bay_overlap
        EXCLUDE USING gist (bay_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
        WHERE (status in ('booked', 'confirmed'));

DROP INDEX ix_offers_held;
ALTER TABLE offers
    DROP CONSTRAINT ck_offers_visit,
    DROP CONSTRAINT ck_offers_arrival,
    DROP COLUMN visit,
    DROP COLUMN arrives_from,
    DROP COLUMN arrives_until,
    DROP COLUMN labour_minutes,
    DROP COLUMN held_until;

ALTER TABLE service_catalog
    DROP CONSTRAINT ck_service_catalog_visit,
    DROP COLUMN visit,
    DROP COLUMN minutes_by_body_style;

DROP TABLE bay_hours;
DROP TABLE location_special_hours;
ALTER TABLE bays DROP COLUMN skills;

ALTER TABLE locations
    DROP CONSTRAINT ck_locations_buffers,
    DROP CONSTRAINT ck_locations_drop_off,
    DROP COLUMN buffer_before_minutes,
    DROP COLUMN buffer_after_minutes,
    DROP COLUMN max_jobs_per_day,
    DROP COLUMN max_labour_minutes_per_day,
    DROP COLUMN same_day_cutoff,
    DROP COLUMN drop_off_from,
    DROP COLUMN drop_off_until,
    DROP COLUMN holidays;
