ALTER TABLE touch_points DROP COLUMN note;

ALTER TABLE locations DROP COLUMN facts;

ALTER TABLE turns
    ADD COLUMN attempts JSONB DEFAULT '[]' NOT NULL,
    DROP COLUMN policy_version,
    DROP COLUMN experiment_id,
    DROP COLUMN arm;

UPDATE turns t SET attempts = one.attempts
FROM (
    SELECT turn_id, jsonb_agg(jsonb_build_object(
        'provider', provider, 'model', model, 'requested_model', requested_model, 'ok', ok, 'error_kind', error_kind,
        'error', error, 'cost_microusd', cost_microusd, 'ms', ms, 'request_id', request_id,
        'usage', jsonb_build_object('input', input_tokens, 'cache_read', cached_tokens,
            'cache_write', written_tokens, 'output', output_tokens)) ORDER BY id) AS attempts
    FROM model_attempts WHERE turn_id IS NOT NULL GROUP BY turn_id
) one WHERE one.turn_id = t.id;

DROP TABLE experiment_assignments, experiments, model_attempts, conversation_summaries, policy_versions;
