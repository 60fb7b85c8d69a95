// Runs whose model says nonsense, and what must hold of each: it ends, in a way that the API can show; no word of SQL in its
// error; its thread works with a strict provider afterwards; no call is made more often than the retry policy says.

import { Provider } from './provider.mjs';
import { sleep, Stack } from '../lib/stack.mjs';

const ended = ['completed', 'failed', 'incomplete', 'cancelled', 'expired'];
const ATTEMPTS_MAX = 8; // OUTCOME_ATTEMPTS_MAX of worker/run/outcome.h
const sqlWords = /\b(INSERT|UPDATE|SELECT|DELETE FROM|SQLSTATE|jsonb?|relation|column|null value|constraint|invalid byte sequence|type json|unsupported Unicode|out of range)\b|\b(22|23|42)[0-9A-Z]{3}: /;
const LIMIT_MS = 900000; // the machine may be slow, a model may be asked eight times, and each call may wait two minutes
const word = /^[a-zA-Z0-9_-]{1,64}$/;

const lookup = { type: 'function', function: { name: 'lookup', parameters: { type: 'object', properties: { city: { type: 'string' } } } } };
const tools = [{ type: 'calculator' }, { type: 'current_time' }, lookup];

const isObjectText = (text) => {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
};

class Hostile {
  violations = [];
  statuses = {};

  constructor(stack, provider, say) {
    this.stack = stack;
    this.provider = provider;
    this.say = say;
  }

  blame(number, text) {
    this.violations.push(`case ${number}: ${text}`);
    this.say(this.violations.at(-1));
  }

  checkCalls(number, calls) {
    for (const call of calls) {
      if (!word.test(call.function?.name) || !isObjectText(call.function?.arguments) || !/^[a-zA-Z0-9_-]{1,40}$/.test(call.id)) {
        this.blame(number, `a call is shown as ${JSON.stringify(call).slice(0, 200)}`);
      }
    }
  }

  /** Waits until a run has ended, and gives the outputs of its functions on the way. */
  async finish(number, run, ms) {
    const deadline = Date.now() + ms;
    let wait = 20;
    for (;;) {
      const now = await this.stack.run(run);
      if (ended.includes(now.status)) return now;
      if (now.status === 'requires_action') {
        const calls = now.required_action.submit_tool_outputs.tool_calls;
        this.checkCalls(number, calls);
        const reply = await this.stack.call('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/submit_tool_outputs`, {
          tool_outputs: calls.map((call) => ({ tool_call_id: call.id, output: 'sunny' })),
        });
        if (reply.status !== 200) {
          this.blame(number, `outputs are refused: ${JSON.stringify(reply.body)}`);
          return now;
        }
      }
      if (Date.now() > deadline) {
        this.blame(number, `${run.id} does not end, it is ${now.status}`);
        return now;
      }
      await sleep(wait);
      wait = Math.min(1000, wait * 1.5);
    }
  }

  async one(number) {
    const run = await this.stack.submit(this.nonsense, `case ${number}`);
    const first = await this.finish(number, run, LIMIT_MS);
    this.statuses[first.status] = (this.statuses[first.status] ?? 0) + 1;
    if (sqlWords.test(first.last_error?.message ?? '')) this.blame(number, `SQL in its error: ${first.last_error.message}`);
    if (first.usage && !(first.usage.prompt_tokens >= 0 && first.usage.completion_tokens >= 0)) this.blame(number, `usage ${JSON.stringify(first.usage)}`);
    const steps = await this.stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?limit=100`);
    for (const step of steps.data) this.checkCalls(number, step.step_details.tool_calls ?? []);
    const messages = await this.stack.ok('GET', `/v1/threads/${run.thread_id}/messages?limit=100`);
    for (const message of messages.data) {
      for (const part of message.content) if (typeof (part.text?.value ?? part.refusal) !== 'string') this.blame(number, `a message is shown as ${JSON.stringify(part)}`);
      if ((message.status === 'incomplete') !== (message.incomplete_details !== null)) this.blame(number, `an incomplete message: ${JSON.stringify(message.incomplete_details)}`);
    }

    const body = { assistant_id: (number % 4 === 0 ? this.strictWithout : this.strict).id, additional_messages: [{ role: 'user', content: 'again' }] };
    const again = await this.stack.ok('POST', `/v1/threads/${run.thread_id}/runs`, body);
    const second = await this.finish(number, again, LIMIT_MS);
    if (second.status !== 'completed') this.blame(number, `its thread is unusable: ${second.status} ${second.last_error?.message}`);
  }

  checkCost() {
    for (const [key, { made }] of this.provider.calls) {
      if (made > ATTEMPTS_MAX) this.violations.push(`${key}: ${made} calls were paid for`);
    }
  }
}

/** options: runs, seed, atOnce, say. Returns {violations, statuses, served, seconds}. */
export async function hostileModels({ runs, seed, atOnce = 40, first = 0, say = () => {} }) {
  const began = Date.now();
  const provider = await Provider.start(seed);
  const stack = await Stack.start({ env: { GROQ_BASE_URL: provider.url, GROQ_API_KEY: 'key', PENSTOCK_LOG_LEVEL: process.env.PENSTOCK_LOG_LEVEL ?? 'error' }, slots: 500 });
  const hostile = new Hostile(stack, provider, say);
  try {
    hostile.nonsense = await stack.assistant({ model: 'groq/nonsense', tools });
    hostile.strict = await stack.assistant({ model: 'groq/strict', tools });
    hostile.strictWithout = await stack.assistant({ model: 'groq/strict', tools: [] });
    let next = first;
    const drive = async () => {
      for (let number = next++; number < first + runs; number = next++) {
        if (number % 500 === 499) say(`${number + 1} runs, ${((Date.now() - began) / 1000).toFixed(0)} s, ${hostile.violations.length} violations`);
        await hostile.one(number).catch((error) => hostile.blame(number, error.stack));
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, runs) }, drive));
    hostile.checkCost();
    for (const wrong of provider.refused) hostile.violations.push(`the strict provider refused: ${wrong}`);
    const open = stack.sql(`SELECT count(*)::int AS n FROM runs WHERE status IN ('queued', 'in_progress', 'requires_action', 'cancelling')`)[0].n;
    if (open > 0) hostile.violations.push(`${open} runs are open`);
    const logs = stack.programs.map((program) => program.log()).join('');
    for (const line of logs.split('\n').filter((text) => / 2[23]\w{3}: |assertion failed/.test(text)).slice(0, 5)) hostile.violations.push(`log: ${line}`);
  } finally {
    provider.stop();
    hostile.violations.push(...(await stack.stop()));
  }
  return { violations: hostile.violations, statuses: hostile.statuses, served: provider.served, seconds: (Date.now() - began) / 1000 };
}
