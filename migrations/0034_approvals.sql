-- Calls that somebody has to allow before they are made (shared/store/answers/approvals.h).

-- 'approved': somebody allowed the call, and it is not begun. Not looked for in the rows there are: all words of before are allowed.
ALTER DOMAIN call_state DROP CONSTRAINT call_state_check;
ALTER DOMAIN call_state ADD CONSTRAINT call_state_check
    CHECK (VALUE IN ('intent', 'open', 'done', 'unknown', 'cancelled', 'left', 'approved')) NOT VALID;

-- What was decided of a call that needed an approval: {"decision", "at", "by", "user", "note", "arguments_before"}; by is the API key. NULL: nothing.
ALTER TABLE tool_calls ADD COLUMN approval jsonb;

-- The calls of a step as they are stored, with those in place that a worker writes, who may know of some of them only: what was answered before the
-- run was parked it need not read again.
CREATE FUNCTION penstock_step_calls(stored jsonb, written jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT jsonb_agg(coalesce(e.call || x.call, e.call) ORDER BY e.place)
    FROM jsonb_array_elements(stored) WITH ORDINALITY AS e (call, place)
    LEFT JOIN jsonb_array_elements(written) AS x (call) ON x.call ->> 'id' = e.call ->> 'id'
$$;

-- As before; and of a run that waits for approvals an event says so, by the ids of the calls. What their arguments are is shown to who asks.
CREATE OR REPLACE FUNCTION penstock_webhook_of_run() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    spec_text text;
    own json;
    own_url text;
    own_endpoint uuid;
    own_trace json;
    kept json;
    is_response bool;
    approvals jsonb;
    data json;
    status text := NEW.status;
BEGIN
    IF OLD.status = NEW.status OR status NOT IN ('completed', 'failed', 'incomplete', 'cancelled', 'expired', 'requires_action') THEN
        RETURN NULL;
    END IF;
    spec_text := NEW.spec::text;
    is_response := strpos(spec_text, ',"response":{') > 0;
    IF strpos(spec_text, ',"webhook":{') > 0 OR is_response OR strpos(spec_text, ',"trace":{') > 0 THEN
        BEGIN
            own := NEW.spec -> 'webhook';
            own_endpoint := penstock_uuid(own ->> 'endpoint');
            own_url := own ->> 'url';
            is_response := coalesce(json_typeof(NEW.spec -> 'response') = 'object', false);
            IF json_typeof(NEW.spec -> 'trace') = 'object' THEN
                own_trace := json_strip_nulls(json_build_object('parent', NEW.spec #>> '{trace,parent}', 'state', NEW.spec #>> '{trace,state}'));
            END IF;
        EXCEPTION
            WHEN data_exception THEN
                own_url := NULL;
                own_trace := NULL;
                is_response := false;
        END;
    END IF;
    kept := CASE WHEN octet_length(NEW.metadata::text) <= 8000 THEN NEW.metadata ELSE '{}' END;
    IF own_url IS NOT NULL OR EXISTS (
        SELECT 1 FROM webhook_endpoints w WHERE w.tenant_id = NEW.tenant_id AND penstock_webhook_wants(w.events, 'run.' || status))
    THEN
        data := json_build_object('id', 'run_' || replace(NEW.id::text, '-', ''), 'object', 'thread.run', 'status', status,
            'thread_id', 'thread_' || replace(NEW.thread_id::text, '-', ''), 'agent', 'asst_' || replace(NEW.agent_id::text, '-', ''),
            'metadata', kept);
        IF status = 'requires_action' THEN
            SELECT jsonb_agg(jsonb_build_object('tool_call_id', e.call -> 'id', 'tool', e.call #> '{approval,tool}',
                    'expires_at', e.call #> '{approval,expires_at}') ORDER BY e.place)
                INTO approvals
                FROM jsonb_path_query(NEW.required_action, 'lax $.submit_tool_outputs.tool_calls[*]') WITH ORDINALITY AS e (call, place)
                WHERE e.call ? 'approval';
            IF approvals IS NOT NULL THEN
                data := json_build_object('id', data -> 'id', 'object', data -> 'object', 'status', status, 'thread_id', data -> 'thread_id',
                    'agent', data -> 'agent', 'approvals', approvals, 'metadata', kept);
            END IF;
        END IF;
        INSERT INTO webhook_events (id, tenant_id, type, data, run_id, to_url, to_endpoint, trace)
        VALUES (penstock_uuid7(), NEW.tenant_id, 'run.' || status, data, NEW.id, own_url, own_endpoint, own_trace);
    END IF;
    IF NOT is_response OR status = 'requires_action' THEN
        RETURN NULL;
    END IF;
    status := CASE status WHEN 'expired' THEN 'failed' ELSE status END;
    INSERT INTO webhook_events (id, tenant_id, type, data, run_id, trace)
    SELECT penstock_uuid7(), NEW.tenant_id, 'response.' || status,
        json_build_object('id', 'resp_' || replace(NEW.id::text, '-', ''), 'object', 'response', 'status', status, 'metadata', kept), NEW.id, own_trace
    WHERE EXISTS (
        SELECT 1 FROM webhook_endpoints w WHERE w.tenant_id = NEW.tenant_id AND penstock_webhook_wants(w.events, 'response.' || status));
    RETURN NULL;
END $$;
