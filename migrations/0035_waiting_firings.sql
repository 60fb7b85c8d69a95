-- Firings that wait may be thousands of a schedule: what is at work, and the first one that waits, are found without a look at the others.

CREATE INDEX schedule_firings_busy ON schedule_firings (schedule_id, id) WHERE state IN ('due', 'started');
CREATE INDEX schedule_firings_waiting ON schedule_firings (schedule_id, (cause IN ('catch_up', 'backfill')), nominal, id) WHERE state = 'waiting';
DROP INDEX schedule_firings_open;

-- No id that was made since then is smaller.
CREATE FUNCTION penstock_uuid7_least(at timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN rpad(encode(substring(int8send(floor(date_part('epoch', at) * 1000)::int8) FROM 3), 'hex'), 32, '0')::uuid;
