// The baseline: what a careful Node developer writes with BullMQ, undici and pg. A job is a run: it is marked as in
// progress, its thread is read, the model is called, its calculator call is answered, the model is called again, and
// every message and the result are stored. Environment: DATABASE_URL, REDIS_SOCKET, LLM_URL, CONCURRENCY.

import { Worker } from 'bullmq';
import pg from 'pg';
import { Agent, request } from 'undici';

const concurrency = Number(process.env.CONCURRENCY ?? 256);
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 16 });
pool.on('error', () => {}); // at the end the server goes away first
const agent = new Agent({ connections: concurrency, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });

const tools = [
  {
    type: 'function',
    function: {
      name: 'calculator',
      description: 'Evaluates an arithmetic expression exactly.',
      parameters: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
    },
  },
];

async function complete(messages) {
  const reply = await request(process.env.LLM_URL, {
    method: 'POST',
    dispatcher: agent,
    headers: { 'content-type': 'application/json', authorization: 'Bearer rehearsal' },
    body: JSON.stringify({ model: 'gpt-4o-mini', messages, tools, temperature: 0 }),
  });
  const body = await reply.body.json();
  if (reply.statusCode !== 200) throw new Error(JSON.stringify(body));
  return { message: body.choices[0].message, usage: body.usage };
}

/** As exact as the bench needs: a product of whole numbers. */
function calculate({ expression }) {
  const [, a, b] = expression.match(/^(\d+)\s*\*\s*(\d+)$/);
  return String(BigInt(a) * BigInt(b));
}

async function run(id) {
  const claimed = await pool.query({
    name: 'claim',
    text: `UPDATE runs SET status = 'in_progress', started_at = now() WHERE id = $1 AND status = 'queued' RETURNING thread_id`,
    values: [id],
  });
  if (claimed.rowCount === 0) return;
  const thread = claimed.rows[0].thread_id;
  const history = await pool.query({
    name: 'history',
    text: 'SELECT role, content FROM messages WHERE thread_id = $1 ORDER BY position',
    values: [thread],
  });
  const messages = [{ role: 'system', content: 'You are a careful assistant.' }, ...history.rows];
  let input = 0;
  let output = 0;
  for (;;) {
    const { message, usage } = await complete(messages);
    input += usage.prompt_tokens;
    output += usage.completion_tokens;
    messages.push(message);
    if (!message.tool_calls?.length) {
      await pool.query({
        name: 'answer',
        text: `INSERT INTO messages (thread_id, run_id, role, content) VALUES ($1, $2, 'assistant', $3)`,
        values: [thread, id, message.content],
      });
      await pool.query({
        name: 'finish',
        text: `UPDATE runs SET status = 'completed', completed_at = now(), prompt_tokens = $2, completion_tokens = $3 WHERE id = $1`,
        values: [id, input, output],
      });
      return;
    }
    for (const call of message.tool_calls) {
      const result = calculate(JSON.parse(call.function.arguments));
      messages.push({ role: 'tool', tool_call_id: call.id, content: result });
      await pool.query({
        name: 'step',
        text: `INSERT INTO messages (thread_id, run_id, role, content, tool_calls, tool_call_id)
               VALUES ($1, $2, 'assistant', $3, $4, NULL), ($1, $2, 'tool', $5, NULL, $6)`,
        values: [thread, id, message.content, JSON.stringify(message.tool_calls), result, call.id],
      });
    }
  }
}

const worker = new Worker('runs', (job) => run(job.data.id), {
  connection: { path: process.env.REDIS_SOCKET, maxRetriesPerRequest: null },
  concurrency,
  removeOnComplete: { count: 0 },
});
worker.on('error', (error) => console.error(error));
process.on('SIGTERM', async () => {
  await worker.close();
  await pool.end();
  process.exit(0);
});
console.log('ready');
