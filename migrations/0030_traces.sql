-- In which trace (shared/trace) something was asked for, so that who is told of its end is told in the same one: {"parent", "state"}, the headers
-- traceparent and tracestate. NULL: in none.
ALTER TABLE webhook_events ADD COLUMN trace json;
ALTER TABLE batches ADD COLUMN trace json;

-- As the one of four arguments, which has no trace to tell.
CREATE FUNCTION penstock_webhook_emit(tenant uuid, event_type text, object_id text, object_data json, event_trace json) RETURNS void
    LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO webhook_events (id, tenant_id, type, data, trace)
    SELECT penstock_uuid7(), tenant, event_type,
        json_build_object('id', object_id)::jsonb || coalesce(object_data::jsonb, '{}'), event_trace
    WHERE EXISTS (SELECT 1 FROM webhook_endpoints w WHERE w.tenant_id = tenant AND penstock_webhook_wants(w.events, event_type));
END $$;

-- As before, and an event has the trace of its run.
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
