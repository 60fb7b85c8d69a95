// Evidence: a trigger of the harness's own notes every change of a run, with the program that made it (each has an
// application_name of its own) and its transaction.

import { spawn } from 'node:child_process';

export const auditSql = `
CREATE TABLE chaos_audit (
    n bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, tx bigint NOT NULL, app text NOT NULL, run uuid NOT NULL,
    old_fence bigint, fence bigint, old_owner bigint, owner bigint, old_step bigint, step bigint,
    old_status text, status text, prompt bigint, completion bigint, cost bigint, crashes int, due timestamptz NOT NULL);
CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_audit (at, tx, app, run, old_fence, fence, old_owner, owner, old_step, step, old_status, status,
        prompt, completion, cost, crashes, due)
    VALUES (clock_timestamp(), txid_current(), current_setting('application_name'), NEW.id, OLD.fence, NEW.fence,
        OLD.owner, NEW.owner, OLD.step, NEW.step, OLD.status, NEW.status, NEW.prompt_tokens - OLD.prompt_tokens,
        NEW.completion_tokens - OLD.completion_tokens, NEW.cost_micros - OLD.cost_micros, NEW.crashes, NEW.due_at);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_note AFTER UPDATE ON runs FOR EACH ROW EXECUTE FUNCTION chaos_note();
-- Runs of memory are deleted when the next one about the same begins: what they used is still to be found.
CREATE TABLE chaos_swept (LIKE runs);
CREATE FUNCTION chaos_sweep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_swept SELECT OLD.*;
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_sweep AFTER DELETE ON runs FOR EACH ROW WHEN (OLD.kind = 'memory') EXECUTE FUNCTION chaos_sweep();
CREATE VIEW chaos_runs AS SELECT * FROM runs UNION ALL SELECT * FROM chaos_swept;
`;

/** Runs a query with psql, off this process's loop. Returns rows as arrays of text; null is ''. */
export async function rows(databaseUrl, query) {
  const child = spawn('psql', [databaseUrl, '-qAtX', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-c', query], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => (out += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk) => (err += chunk));
  const code = await new Promise((done) => child.on('close', done));
  if (code !== 0) throw new Error(`psql: ${err.trim()}`);
  return out === '' ? [] : out.slice(0, -1).split('\n').map((line) => line.split('\t'));
}

/** The audit, in the order of each run's changes. Big numbers stay text. */
export async function readAudit(databaseUrl) {
  const list = await rows(
    databaseUrl,
    `SELECT extract(epoch FROM at) * 1000, tx, app, run, old_fence, fence, old_owner, owner, old_step, step, old_status, status,
       prompt, completion, cost, crashes, extract(epoch FROM due) * 1000 FROM chaos_audit ORDER BY n`,
  );
  const runs = new Map();
  for (const row of list) {
    const [at, tx, app, run, oldFence, fence, oldOwner, owner, oldStep, step, oldStatus, status, prompt, completion, cost, crashes, due] = row;
    const change = {
      at: Number(at), tx, app, run, oldFence: Number(oldFence), fence: Number(fence), oldOwner, owner,
      oldStep: Number(oldStep), step: Number(step), oldStatus, status,
      prompt: Number(prompt), completion: Number(completion), cost: Number(cost), crashes: Number(crashes), due: Number(due),
    };
    if (runs.has(run)) runs.get(run).push(change);
    else runs.set(run, [change]);
  }
  return runs;
}
