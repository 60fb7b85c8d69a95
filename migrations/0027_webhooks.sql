-- Webhooks: who is told what became of runs, batches and the like. A row of the outbox (webhook_events) is written by the statement that changes
-- the state, wherever that is; schedulers with the role `outbox` make deliveries of it and send them.

-- secret: the key itself, since it signs; previous_secret signs too, until previous_until. events: names, 'family.*' and '*'. full: texts go along.
-- marks_left: rounds over the tenant's unfinished runs that are left, behind marked_until, after which all of these notify.
CREATE TABLE webhook_endpoints (
    id               uuid PRIMARY KEY,
    tenant_id        uuid NOT NULL,
    name             text,
    description      text,
    url              text NOT NULL,
    events           text[] NOT NULL,
    full_payload     bool NOT NULL DEFAULT false,
    metadata         jsonb NOT NULL DEFAULT '{}',
    secret           bytea NOT NULL,
    previous_secret  bytea,
    previous_until   timestamptz,
    state            text NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled')),
    reason           text CHECK (reason IN ('asked', 'gone', 'failing')),
    disabled_at      timestamptz,
    marks_left       int4 NOT NULL DEFAULT 2,
    marked_until     timestamptz NOT NULL DEFAULT '-infinity',
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_endpoints_tenant ON webhook_endpoints (tenant_id, id);
CREATE INDEX webhook_endpoints_marks ON webhook_endpoints (id) WHERE marks_left > 0;

-- The outbox. to_url, to_endpoint: of a run that names a URL of its own, and the webhook whose secret signs for it. run_id: whose texts go along
-- where somebody wants them, in `texts`. moved: its deliveries are there.
CREATE TABLE webhook_events (
    id           uuid PRIMARY KEY,
    tenant_id    uuid NOT NULL,
    type         text NOT NULL,
    data         json NOT NULL,
    run_id       uuid,
    texts        json,
    to_url       text,
    to_endpoint  uuid,
    moved        bool NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE INDEX webhook_events_waiting ON webhook_events (id) WHERE NOT moved;
CREATE INDEX webhook_events_tenant ON webhook_events (tenant_id, id);

-- lane: what waits together, and fails together: an endpoint, or a host that runs name. next_at: when it is due, or when its sender has lost it.
CREATE TABLE webhook_deliveries (
    id           uuid PRIMARY KEY,
    tenant_id    uuid NOT NULL,
    event_id     uuid NOT NULL,
    endpoint_id  uuid NOT NULL,
    lane         uuid NOT NULL,
    url          text,
    type         text NOT NULL,
    state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead', 'skipped')),
    tries        int4 NOT NULL DEFAULT 0,
    cause        text NOT NULL DEFAULT 'event',
    next_at      timestamptz NOT NULL DEFAULT now(),
    holder       int8,
    status_code  int4,
    error        text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    ended_at     timestamptz
) WITH (fillfactor = 70);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (lane, next_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE UNIQUE INDEX webhook_deliveries_event ON webhook_deliveries (event_id, endpoint_id, lane);

-- Lanes whose last try failed: failures in a row, since when, and until when nothing is tried.
CREATE TABLE webhook_lanes (
    lane           uuid PRIMARY KEY,
    failures       int4 NOT NULL,
    failing_since  timestamptz NOT NULL,
    not_before     timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Tries, one by one.
CREATE TABLE webhook_attempts (
    id           uuid PRIMARY KEY,
    delivery_id  uuid NOT NULL,
    cause        text NOT NULL,
    status_code  int4,
    duration_ms  int8 NOT NULL,
    answer       text,
    error        text,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_attempts_delivery ON webhook_attempts (delivery_id, id);

-- Ids as the programs make them (RFC 9562, version 7): in the order of time.
CREATE FUNCTION penstock_uuid7() RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send(floor(date_part('epoch', clock_timestamp()) * 1000)::int8) FROM 3)
        FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid;

-- Whether somebody who asked for `events` is told of a type. What a run is to the Responses API is said beside what it is to us: who wants all has
-- it once.
CREATE FUNCTION penstock_webhook_wants(events text[], type text) RETURNS bool
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN events && ARRAY[type, split_part(type, '.', 1) || '.*', CASE WHEN type NOT LIKE 'response.%' THEN '*' ELSE type END];

-- For any statement that changes what somebody may be told of, within that statement: of an object, by its id as it is shown. An event that nobody
-- wants leaves nothing.
CREATE FUNCTION penstock_webhook_emit(tenant uuid, event_type text, object_id text, object_data json) RETURNS void
    LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO webhook_events (id, tenant_id, type, data)
    SELECT penstock_uuid7(), tenant, event_type,
        json_build_object('id', object_id)::jsonb || coalesce(object_data::jsonb, '{}')
    WHERE EXISTS (SELECT 1 FROM webhook_endpoints w WHERE w.tenant_id = tenant AND penstock_webhook_wants(w.events, event_type));
END $$;

-- notify: somebody may want to know what becomes of the run. Told when the run is made, so that all others pay nothing.
ALTER TABLE runs ADD COLUMN notify bool NOT NULL DEFAULT false;

-- The URL that a run names stands in its spec. It is read in those only that have one, and one that can't be read is none: whatever happens here,
-- the write that ends a run does not fail.
CREATE FUNCTION penstock_webhook_of_run() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    spec_text text;
    own json;
    own_url text;
    own_endpoint uuid;
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
    IF strpos(spec_text, ',"webhook":{') > 0 OR is_response THEN
        BEGIN
            own := NEW.spec -> 'webhook';
            own_endpoint := penstock_uuid(own ->> 'endpoint');
            own_url := own ->> 'url';
            is_response := coalesce(json_typeof(NEW.spec -> 'response') = 'object', false);
        EXCEPTION
            WHEN data_exception THEN
                own_url := NULL;
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
        INSERT INTO webhook_events (id, tenant_id, type, data, run_id, to_url, to_endpoint)
        VALUES (penstock_uuid7(), NEW.tenant_id, 'run.' || status, data, NEW.id, own_url, own_endpoint);
    END IF;
    IF NOT is_response OR status = 'requires_action' THEN
        RETURN NULL;
    END IF;
    status := CASE status WHEN 'expired' THEN 'failed' ELSE status END;
    INSERT INTO webhook_events (id, tenant_id, type, data, run_id)
    SELECT penstock_uuid7(), NEW.tenant_id, 'response.' || status,
        json_build_object('id', 'resp_' || replace(NEW.id::text, '-', ''), 'object', 'response', 'status', status, 'metadata', kept), NEW.id
    WHERE EXISTS (
        SELECT 1 FROM webhook_endpoints w WHERE w.tenant_id = NEW.tenant_id AND penstock_webhook_wants(w.events, 'response.' || status));
    RETURN NULL;
END $$;

-- The condition is read anew by each statement, so it is as short as it can be: the rest of it stands in the function.
CREATE TRIGGER runs_notify AFTER UPDATE OF status ON runs
    FOR EACH ROW WHEN (NEW.notify) EXECUTE FUNCTION penstock_webhook_of_run();
