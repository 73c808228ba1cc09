DROP FUNCTION gate_facts(bigint, bigint, bigint, bigint, bigint, text, text, text, text[], timestamptz, date);
DROP FUNCTION shop_hours(bigint, date);
