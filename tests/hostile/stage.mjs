// Where hostile things are played: a Penstock with a provider that says what it is told, and two tenants, `hostile` and `other`.

import { Provider } from './provider.mjs';
import { freePort, sleep, Stack } from '../lib/stack.mjs';

const lookup = { type: 'function', function: { name: 'lookup', parameters: { type: 'object', properties: { city: { type: 'string' } } } } };

const script = `
rules:
  - then: {text: 'done', delay_ms: 20}
`;

export class Stage {
  /** options as of Stack.start; script is that of the model of the tenant `other`. */
  static async open(options = {}) {
    const stage = new Stage();
    stage.provider = await Provider.start(1);
    stage.largePort = await freePort(); // where a check may start a model that answers much, and one that is slow
    stage.slowPort = await freePort();
    const local = (port) => `http://127.0.0.1:${port}`;
    const models = { PENSTOCK_LOCAL_BASE_URL: local(stage.largePort), DEEPSEEK_BASE_URL: local(stage.slowPort), DEEPSEEK_API_KEY: 'key' };
    const env = { ...models, GROQ_BASE_URL: stage.provider.url, GROQ_API_KEY: 'key', PENSTOCK_LOG_LEVEL: process.env.PENSTOCK_LOG_LEVEL ?? 'error' };
    stage.stack = await Stack.start({ script, env, ...options });
    stage.hostile = stage.stack.tenant('hostile');
    stage.other = stage.stack.tenant('other');
    stage.told = await stage.hostile.assistant({ model: 'groq/told', tools: [{ type: 'calculator' }, { type: 'current_time' }, lookup] });
    stage.quick = await stage.other.assistant({ tools: [] });
    return stage;
  }

  get worker() {
    return this.stack.workers[0];
  }

  get scheduler() {
    return this.stack.scheduler;
  }

  /** Returns what did not end well. */
  async close(showLogs) {
    if (showLogs) this.stack.showLogs();
    this.provider.stop();
    return this.stack.stop();
  }

  /** A run whose model says these, one after the other, and then "fine"; until it has ended or waits. */
  async says(prompt, ...replies) {
    this.provider.tell(prompt, replies);
    return this.hostile.finished(await this.hostile.submit(this.told, prompt), 60000);
  }

  /** How often the model was asked for a prompt's answer. */
  asked(prompt) {
    return this.provider.heard(prompt);
  }

  /** The status of the next run on a run's thread; its model refuses what OpenAI's API would refuse. */
  async goesOn(run) {
    const body = { assistant_id: this.told.id, additional_messages: [{ role: 'user', content: `again ${run.id}` }] };
    const again = await this.hostile.ok('POST', `/v1/threads/${run.thread_id}/runs`, body);
    return (await this.hostile.finished(again)).status;
  }

  async lastMessage(run) {
    return (await this.hostile.ok('GET', `/v1/threads/${run.thread_id}/messages?order=desc&limit=1`)).data[0];
  }

  readyz(program) {
    return fetch(`${program.url ?? this.stack.url}/readyz`, { signal: AbortSignal.timeout(10000) }).then((reply) => reply.json());
  }

  metrics(url = this.stack.url) {
    return fetch(`${url}/metrics`).then((reply) => reply.text());
  }

  /** What `penstock doctor` prints, whatever it thinks. */
  doctor() {
    try {
      return this.stack.command('doctor');
    } catch (error) {
      return error.stdout;
    }
  }

  /** Threads of the tenant `hostile`, each with so many messages of so many bytes, put where the API would have put them. */
  async threads(count, messages, bytes) {
    const made = [];
    for (let i = 0; i < count; i++) made.push((await this.hostile.ok('POST', '/v1/threads', {})).id);
    const list = made.map((id) => `penstock_uuid('${id}')`).join(',');
    this.stack.exec(
      `INSERT INTO messages (id, tenant_id, thread_id, role, content) SELECT gen_random_uuid(), t.tenant_id, t.id, 'user', ` +
        `jsonb_build_array(jsonb_build_object('type', 'text', 'text', jsonb_build_object('value', repeat('x', ${bytes}), 'annotations', '[]'::jsonb))) ` +
        `FROM threads t, generate_series(1, ${messages}) WHERE t.id IN (${list})`,
    );
    return made;
  }

  /**
   * The tenant `other` submits and polls, one after the other, while `going()`. Returns {requests: [ms], runs: [ms], refused: ['…']}.
   */
  async otherWorks(going, pauseMs = 5) {
    const seen = { requests: [], runs: [], refused: [] };
    const timed = async (...call) => {
      const start = performance.now();
      const reply = await this.other.call(...call);
      seen.requests.push(performance.now() - start);
      if (reply.status !== 200) seen.refused.push(`${call[0]} ${call[1]}: ${reply.status} ${JSON.stringify(reply.body).slice(0, 200)}`);
      return reply.body;
    };
    while (going()) {
      const start = performance.now();
      const run = await timed('POST', '/v1/threads/runs', { assistant_id: this.quick.id, thread: { messages: [{ role: 'user', content: 'hello' }] } });
      let now = run;
      while (run.id && !['completed', 'failed', 'expired'].includes(now?.status) && performance.now() - start < 60000) {
        await sleep(pauseMs);
        now = await timed('GET', `/v1/threads/${run.thread_id}/runs/${run.id}`);
      }
      seen.runs.push(performance.now() - start);
      if (now?.status !== 'completed') seen.refused.push(`a run is ${now?.status}`);
    }
    return seen;
  }
}
