// Fills the baseline's tables and its queue with COUNT runs, in bulk: submission is not what is compared.

import { Queue } from 'bullmq';
import pg from 'pg';

const count = Number(process.env.COUNT);
const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
await client.query(`
  CREATE TABLE IF NOT EXISTS runs (id bigint PRIMARY KEY, thread_id bigint NOT NULL, status text NOT NULL, created_at timestamptz DEFAULT now(),
    started_at timestamptz, completed_at timestamptz, prompt_tokens bigint, completion_tokens bigint);
  CREATE TABLE IF NOT EXISTS messages (position bigserial PRIMARY KEY, thread_id bigint NOT NULL, run_id bigint, role text NOT NULL, content text,
    tool_calls jsonb, tool_call_id text, created_at timestamptz DEFAULT now());
  CREATE INDEX IF NOT EXISTS messages_thread ON messages (thread_id, position);
  TRUNCATE runs, messages`);
await client.query(`INSERT INTO runs (id, thread_id, status) SELECT i, i, 'queued' FROM generate_series(1, $1::bigint) i`, [count]);
await client.query(`INSERT INTO messages (thread_id, role, content) SELECT i, 'user', 'standard' FROM generate_series(1, $1::bigint) i`, [count]);
await client.end();
const queue = new Queue('runs', { connection: { path: process.env.REDIS_SOCKET } });
for (let i = 0; i < count; i += 1000) {
  const jobs = [];
  for (let id = i + 1; id <= Math.min(i + 1000, count); id++) jobs.push({ name: 'run', data: { id } });
  await queue.addBulk(jobs);
}
await queue.close();
