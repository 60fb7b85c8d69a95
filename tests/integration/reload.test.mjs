// SIGHUP: providers and models are read again while runs go on.

import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { join } from 'node:path';
import { checkPeak, forgetPeak, isSanitized, peakBytes } from '../lib/memory.mjs';
import { freePort, sleep, until, withStack } from '../lib/stack.mjs';

const script = `
rules:
  - name: slow
    when: {user: '^slow'}
    then: {delay_ms: 4000, text: 'Slow, says {{model}}.', usage: {prompt_tokens: 100, completion_tokens: 10}}
  - {name: busy, when: {model: 'busy-1'}, then: {status: 503}}
  - {name: quick, then: {text: 'Quick, says {{model}}.', usage: {prompt_tokens: 100, completion_tokens: 10}}}
`;

const RELOADED = /the configuration was read again/g;
const REFUSED = /the configuration was not taken over/g;
const count = (program, pattern) => program.log().match(pattern)?.length ?? 0;

/** Makes it read the configuration again. Returns the line that it has logged. */
async function reload(program, pattern = RELOADED) {
  const before = count(program, pattern);
  program.child.kill('SIGHUP');
  await until(`${program.name} says that it has read it`, () => count(program, pattern) > before);
  return program.log().split('\n').filter((line) => line.match(pattern)).pop();
}

/** A stack whose file is `config(stack)`; body(stack, write, ask). */
async function withConfig(config, body, options = {}) {
  await withStack({ bare: true, script, config: 'log: {level: info}\n', ...options }, async (stack) => {
    const write = (text) => writeFileSync(stack.env.PENSTOCK_CONFIG, text);
    const ask = async (model, prompt, fields = {}) => stack.submit(await stack.assistant({ model, tools: [], ...fields }), prompt);
    write(config(stack));
    await stack.startScheduler();
    await stack.startWorker();
    await body(stack, write, ask);
  });
}

const cheap = (url, price) => `
providers:
  - {name: spare, base_url: '${url}/v1', api_key: sk-secret-of-spare, api_keys: [sk-secret-too], concurrent_calls: 1000}
models:
  - {name: cheap, provider: spare, model: cheap-1, input_price: ${price}, output_price: 0}
`;

test('calls under way end with what they began with, the next ones have the new address, price and model', async () => {
  await withConfig((stack) => cheap(stack.llmUrl, 1000000), async (stack, write, ask) => {
    const other = stack.program('penstock-rehearsal', ['--port', String((stack.otherPort = await freePort())), '--script', join(stack.dir, 'script.yaml')], {});
    const otherUrl = `http://127.0.0.1:${stack.otherPort}`;
    await stack.ready(other, `${otherUrl}/healthz`);

    // The first configuration lives as long as its program, the next ones as long as they have users.
    assert.match(await reload(stack.workers[0]), /changed=nothing/);
    assert.match(await reload(stack.scheduler), /changed=nothing/);
    const unknown = await stack.call('POST', '/v1/assistants', { model: 'fresh' });
    assert.equal(unknown.status, 400);
    const began = [];
    for (let i = 0; i < 20; i++) began.push(await ask('cheap', 'slow'));
    await until('all calls are under way', async () => (await stack.llmStats()).in_flight === 20);

    write(`${cheap(otherUrl, 2000000)}  - {name: fresh, provider: spare, model: fresh-1, input_price: 5000000, output_price: 0}\ndefault_provider: spare\nworker: {slots: 7, max_iterations: 2}\nscheduler: {port: 1}\n`);
    const line = await reload(stack.workers[0]);
    assert.match(line, /changed="provider spare changed, model cheap changed, model fresh added, default_provider, worker.max_iterations"/);
    assert.doesNotMatch(line, /scheduler|worker.slots/, 'slots are those of its flag, and the scheduler is another program');
    assert.match(await reload(stack.scheduler), /changed="provider spare changed, model cheap changed, model fresh added, default_provider" needs_a_new_start=nothing/);
    assert.doesNotMatch(stack.workers[0].log() + stack.scheduler.log(), /sk-secret/);
    assert.equal((await stack.llmStats()).in_flight, 20, 'they still wait for their answers');

    const listed = (await stack.ok('GET', '/v1/models')).data.map((model) => model.id);
    assert.ok(listed.includes('fresh') && listed.includes('cheap'));
    assert.equal((await stack.ok('GET', '/v1/models/some-new-name')).owned_by, 'spare');

    for (const [model, answer, cost] of [['cheap', 'Quick, says cheap-1.', 200], ['fresh', 'Quick, says fresh-1.', 500]]) {
      const ended = await stack.finished(await ask(model, 'quick'));
      assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
      assert.equal(await stack.answer(ended), answer);
      assert.equal(ended.cost_micros, cost);
    }
    for (const run of began) {
      const ended = await stack.finished(run);
      assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));
      assert.equal(await stack.answer(ended), 'Slow, says cheap-1.');
      assert.equal(ended.cost_micros, 100, 'by the price of its call');
    }
    const stats = await (await fetch(`${otherUrl}/rehearsal/stats`)).json();
    assert.equal(stats.requests ?? stats.calls, 2);
  });
});

test('a run that tries again does so with the new configuration, and new limits hold for the next call', async () => {
  const models = (address, limits) => `
providers: [{name: spare, base_url: '${address}/v1', api_key: x}]
models: [{name: cheap, provider: spare, model: cheap-1${limits}}]
`;
  await withConfig(() => models('http://127.0.0.1:1', ''), async (stack, write, ask) => {
    const stuck = await ask('cheap', 'quick');
    await until('its first try has failed', () => /could not be reached|can.t be reached|refused/i.test(stack.workers[0].log()) || stack.sql(`SELECT 1 FROM runs WHERE errors > 0`).length > 0);
    write(models(stack.llmUrl, ''));
    await reload(stack.workers[0]);
    const ended = await stack.finished(stuck, 60000);
    assert.equal(ended.status, 'completed', JSON.stringify(ended.last_error));

    write(models(stack.llmUrl, ', requests_per_minute: 1'));
    await reload(stack.workers[0]);
    const two = [await ask('cheap', 'quick'), await ask('cheap', 'quick'), await ask('cheap', 'quick')];
    await until('the limit holds them back', () => stack.sql(`SELECT 1 FROM runs WHERE wait_kind = 'rate_limit'`).length > 0);
    for (const run of two) await stack.call('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
  });
});

test('a file that is wrong changes nothing, and the log says what is wrong and where', async () => {
  await withConfig((stack) => cheap(stack.llmUrl, 1000000), async (stack, write, ask) => {
    const file = stack.env.PENSTOCK_CONFIG;
    const programs = [stack.scheduler, stack.workers[0]];
    const good = readFileSync(file, 'utf8');
    for (const [text, words] of [
      ['providers:\n  - {name: spare, base_url: "http://h/v1", nonsense: 1}\n', `${file}:2:44: .*nonsense`],
      ['models:\n  - {name: cheap, provider: nobody}\n', `${file}:2:.*names no provider`],
      ['providers: [{name: spare, base_url: "http://h/v1", kind: morse}]\n', "provider 'spare' has kind 'morse'"],
      ['default_provider: nobody\n', "default_provider 'nobody' is no configured provider"],
      ['providers: [{name: spare, base_url: "http://h/v1", api_key: "${NOT_THERE}"}]\n', `${file}:1:.*NOT_THERE`],
      ['a: [\n', `${file}:`],
      [null, 'there is no configuration file'],
    ]) {
      if (text === null) rmSync(file);
      else write(text);
      for (const program of programs) assert.match(await reload(program, REFUSED), new RegExp(words), program.name);
      const ended = await stack.finished(await ask('cheap', 'quick'));
      assert.equal(ended.status, 'completed');
      assert.equal(ended.cost_micros, 100);
    }
    write(good);
    for (const program of programs) assert.match(await reload(program), /changed=nothing/);
    for (const url of [stack.url, stack.workers[0].url]) {
      const page = await (await fetch(`${url}/metrics`)).text();
      assert.match(page, /^penstock_config_reloads_total 1$/m);
      assert.match(page, /^penstock_config_reloads_refused_total 7$/m);
    }
  });
});

test('it may be asked for before a program is ready, and what needs a new start is named', async () => {
  await withConfig((stack) => cheap(stack.llmUrl, 1000000), async (stack, write) => {
    stack.postgres('stop', '-m', 'fast');
    const starting = stack.startWorker();
    const worker = await until('there is another', () => stack.workers[1]);
    await until('it waits', () => /waiting for Postgres/.test(worker.log()));
    write(`${cheap(stack.llmUrl, 3000000)}worker: {lease_ms: 20000, private_addresses: ["10.0.0.0/8"]}\nlog: {level: warn}\n`);
    worker.child.kill('SIGHUP');
    await sleep(200);
    assert.equal(count(worker, RELOADED), 0);
    stack.postgres('start');
    await starting;
    const reloads = async () => /^penstock_config_reloads_total (\d+)$/m.exec(await (await fetch(`${worker.url}/metrics`)).text())[1];
    await until('it has read it', async () => (await reloads()) === '1');
    assert.equal(count(worker, RELOADED), 0, 'the level of the log is the new one');
    write(`${cheap(stack.llmUrl, 3000000)}worker: {lease_ms: 20000, private_addresses: ["10.0.0.0/8"]}\n`);
    assert.match(await reload(worker), /changed=log.level needs_a_new_start="worker.lease_ms, worker.private_addresses"/);
  }, { env: { PENSTOCK_LOG_LEVEL: '' } }); // which would outrank the file
});

test('reading it again and again keeps nothing, also while calls are made', async () => {
  await withConfig((stack) => cheap(stack.llmUrl, 1000000), async (stack, write, ask) => {
    const programs = [stack.scheduler, stack.workers[0]];
    const bulk = Array.from({ length: 300 }, (_, i) => `  - {name: model-${i}, provider: spare, model: m-${i}}\n`).join('');
    const texts = [cheap(stack.llmUrl, 1000000) + bulk, cheap(stack.llmUrl, 2000000) + bulk];
    const reloads = async (url) => Number(/^penstock_config_reloads_total (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())[1]);
    const urls = [stack.url, stack.workers[0].url];
    const round = async (i) => {
      write(texts[i % 2]);
      const before = await Promise.all(urls.map(reloads));
      for (const program of programs) program.child.kill('SIGHUP');
      for (const [at, url] of urls.entries()) while ((await reloads(url)) === before[at]) await sleep(1);
    };
    const runs = [];
    for (let i = 0; i < 100; i++) {
      await round(i);
      if (i % 10 === 0) runs.push(await ask('cheap', i % 20 ? 'slow' : 'quick'));
    }
    for (const run of runs) assert.equal((await stack.finished(run)).status, 'completed');
    for (const program of programs) forgetPeak(program);
    const before = programs.map(peakBytes);
    // So many that a peak shows what is kept. Where the sanitizers tell it, each way was gone often enough by now.
    if (!isSanitized(stack.scheduler)) for (let i = 0; i < 1000; i++) await round(i);
    for (const [i, program] of programs.entries()) checkPeak(program, before[i] + (8 << 20)); // a copy of it has some 300 KiB
  });
});
