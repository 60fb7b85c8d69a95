-- Schedules: what is to be run, and when. `next` is the time that fires next, `due` when it does (later by the jitter); NULL: none is left.
-- turn: raised by whatever changes what is to fire, so that who read a schedule writes only while it is as it was read.
-- request: what each run is asked with, as POST /v1/threads/runs takes it. thread_made: its lasting thread is one that a firing made.
CREATE TABLE schedules (
    id              uuid PRIMARY KEY,
    tenant_id       uuid NOT NULL,
    agent_id        uuid NOT NULL,
    name            text,
    cron            text,
    every_seconds   int8,
    run_at          timestamptz,
    timezone        text NOT NULL,
    starts_at       timestamptz,
    ends_at         timestamptz,
    jitter_seconds  int8 NOT NULL DEFAULT 0,
    overlap         text NOT NULL CHECK (overlap IN ('skip', 'queue', 'cancel_running')),
    catch_up        text NOT NULL CHECK (catch_up IN ('none', 'latest', 'all')),
    window_seconds  int8 NOT NULL,
    lasting         bool NOT NULL DEFAULT false,
    thread_id       uuid,
    thread_made     bool NOT NULL DEFAULT false,
    on_full         text NOT NULL CHECK (on_full IN ('new_thread', 'compact')),
    max_failures    int8 NOT NULL,
    user_id         text,
    request         jsonb NOT NULL,
    metadata        jsonb NOT NULL DEFAULT '{}',
    state           text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'ended')),
    pause_code      text,
    pause_message   text,
    next            timestamptz,
    due             timestamptz,
    turn            int8 NOT NULL DEFAULT 0,
    fired           int8 NOT NULL DEFAULT 0,
    failures        int8 NOT NULL DEFAULT 0,
    last_fire       timestamptz,
    last_run        uuid,
    last_outcome    text,
    last_completed  uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(cron, every_seconds, run_at) = 1)
) WITH (fillfactor = 70);
CREATE INDEX schedules_tenant ON schedules (tenant_id, id);
CREATE UNIQUE INDEX schedules_name ON schedules (tenant_id, name) WHERE name IS NOT NULL;
CREATE INDEX schedules_user ON schedules (tenant_id, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX schedules_due ON schedules (due) WHERE state = 'active';

-- What became of the times of a schedule. The id is that of the firing's run, too.
-- nominal, until: the time, or the first and the last of `times` that were missed together.
-- taken_until: nobody else looks at one that is due until then. tell: its lasting thread is still to be told what became of it.
CREATE TABLE schedule_firings (
    schedule_id  uuid NOT NULL,
    id           uuid NOT NULL,
    tenant_id    uuid NOT NULL,
    cause        text NOT NULL CHECK (cause IN ('time', 'catch_up', 'backfill', 'manual')),
    nominal      timestamptz NOT NULL,
    until        timestamptz,
    times        int8 NOT NULL DEFAULT 1,
    state        text NOT NULL CHECK (state IN ('due', 'waiting', 'started', 'ended', 'skipped', 'missed', 'failed')),
    detail       text,
    taken_until  timestamptz NOT NULL DEFAULT 'epoch',
    tries        int8 NOT NULL DEFAULT 0,
    tell         bool NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    ended_at     timestamptz,
    outcome      text,
    PRIMARY KEY (schedule_id, id)
) WITH (fillfactor = 70);
-- No time has two runs.
CREATE UNIQUE INDEX schedule_firings_once ON schedule_firings (schedule_id, nominal)
    WHERE state IN ('due', 'waiting', 'started', 'ended') AND cause <> 'manual';
CREATE INDEX schedule_firings_due ON schedule_firings (taken_until) WHERE state = 'due';
CREATE INDEX schedule_firings_open ON schedule_firings (schedule_id, id) WHERE state IN ('due', 'waiting', 'started');
CREATE INDEX schedule_firings_tell ON schedule_firings (id) WHERE tell;
