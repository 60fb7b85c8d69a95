// The document at /v1/openapi.json: two linters take it, a page shows it in Chromium, and requests that are made up from it are
// answered as it says, whatever is wrong with them.
//
// More of them, by hand: PENSTOCK_REQUESTS=200000 PENSTOCK_SEED=7 node --test tests/e2e/document.test.mjs

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { send } from '../lib/forms.mjs';
import { withStack } from '../lib/stack.mjs';
import { Requests, judge } from './requests.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const COUNT = Number(process.env.PENSTOCK_REQUESTS ?? 3000);
const SEED = Number(process.env.PENSTOCK_SEED ?? 1);
const FRESH = 300; // requests, after which most of what they knew has been deleted

const script = "rules: [{name: hello, then: {text: 'Hello.'}}]\n";
const documentOf = async (stack) => (await fetch(`${stack.url}/v1/openapi.json`)).json();

test('two linters find nothing wrong with the document', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const document = await documentOf(stack);
    const { Validator } = await import('@seriousme/openapi-schema-validator');
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    assert.ok(valid, JSON.stringify(errors));

    const folder = mkdtempSync(join(tmpdir(), 'penstock-document-'));
    try {
      writeFileSync(join(folder, 'openapi.json'), JSON.stringify(document));
      writeFileSync(join(folder, 'redocly.yaml'), 'extends: [spec]\ntelemetry: off\n');
      const redocly = join(dirname(require.resolve('@redocly/cli/package.json')), 'bin/cli.js');
      const said = execFileSync(process.execPath, [redocly, 'lint', '--config', join(folder, 'redocly.yaml'), '--format', 'json', join(folder, 'openapi.json')], {
        encoding: 'utf8',
        env: { ...process.env, REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', REDOCLY_TELEMETRY: 'off' },
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      assert.deepEqual(JSON.parse(said).problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer]), []);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

let made = 0;

/** Ids that are there, by the names that requests have for them. */
async function something(stack) {
  const slug = `helper-${made++}`;
  const assistant = await stack.assistant({ tools: [], slug });
  const run = await stack.finished(await stack.submit(assistant, 'hello'));
  const message = (await stack.ok('GET', `/v1/threads/${run.thread_id}/messages`)).data[0];
  const step = (await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps`)).data[0];
  const other = await stack.ok('POST', '/v1/threads', { user_id: 'ann' });
  const file = (await send(stack, 'x')).body.id;
  const output = (await send(stack, 'y')).body.id;
  stack.exec(`UPDATE files SET purpose = 'batch_output' WHERE id = '${output.slice('file-'.length)}'`);
  const lines = (await send(stack, '{}\n', { filename: 'a.jsonl', purpose: 'batch' })).body.id;
  const upload = await stack.ok('POST', '/v1/uploads', { filename: 'a', purpose: 'user_data', bytes: 3, mime_type: 'text/plain' });
  const batch = await stack.ok('POST', '/v1/batches', { input_file_id: lines, endpoint: '/v1/chat/completions', completion_window: '24h' });
  const files = { file_id: [file, lines, output], input_file_id: [file, lines], upload_id: [upload.id], batch_id: [batch.id] };
  return { ...files, assistant_id: [assistant.id, slug], thread_id: [run.thread_id, other.id], run_id: [run.id], message_id: [message.id], step_id: [step.id], model: ['openai/gpt-4o-mini'], user: ['ann', 'bob'], user_id: ['ann', 'bob'], key: ['likes'], version: ['1'] };
}

/** Functions that check answers, by operation and status. */
function validators(document) {
  const Ajv = require('ajv/dist/2020.js').default;
  const ajv = new Ajv({ strict: false, allErrors: false });
  const made = new Map();
  ajv.addSchema(document, 'document');
  return (operation, status) => {
    const name = `${operation.method} ${operation.path} ${status}`;
    if (!made.has(name)) {
      let at = `#/paths/${operation.path.replaceAll('~', '~0').replaceAll('/', '~1')}/${operation.method}/responses/${status}`;
      const response = operation.said.responses?.[status];
      if (response?.$ref) at = response.$ref;
      const found = at.slice(2).split('/').reduce((node, part) => node?.[part.replaceAll('~1', '/').replaceAll('~0', '~')], document);
      const schema = found?.content?.['application/json']?.schema;
      made.set(name, schema ? ajv.compile({ $ref: `document${at.split('/').map((part, i) => (i ? encodeURIComponent(part) : part)).join('/')}/content/application~1json/schema` }) : undefined);
    }
    return made.get(name);
  };
}

test(`${COUNT} requests that are made up from the document: no 5xx, and each answer as it says`, async () => {
  await withStack({ script, slots: 16 }, async (stack) => {
    const document = await documentOf(stack);
    const requests = new Requests(document, await something(stack), SEED);
    const validate = validators(document);
    const wrong = [];
    const statuses = {};
    let left = COUNT;
    const worker = async () => {
      while (left-- > 0 && wrong.length < 20) {
        if (left % FRESH === 0) requests.known = await something(stack);
        const request = requests.next();
        const response = await fetch(stack.url + request.url, { method: request.method, body: request.body, headers: { authorization: `Bearer ${stack.key}`, ...request.headers }, signal: AbortSignal.timeout(60000) });
        const answer = { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
        for (const line of judge(request, answer, validate)) wrong.push(`${request.method} ${request.url} ${request.body?.slice(0, 300) ?? ''}: ${line}`);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    console.log(`# ${JSON.stringify(statuses)}`);
    assert.deepEqual(wrong, []);
    assert.ok(statuses[200] > COUNT / 50 && statuses[400] > COUNT / 10, 'both kinds of answers are seen');
    for (const program of [stack.scheduler, ...stack.workers]) assert.equal(program.child?.exitCode ?? null, null);
    const run = await stack.finished(await stack.submit(await stack.assistant({ tools: [] }), 'hello'));
    assert.equal(run.status, 'completed', 'and it works as before');
  });
});

const chromium = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find((path) => existsSync(path));

test('the page shows the document, in a browser that takes nothing from elsewhere', { skip: chromium ? false : 'no Chromium is installed (deploy/packages browser)' }, async () => {
  const { chromium: launcher } = await import('playwright-core');
  await withStack({ workers: 0 }, async (stack) => {
    const browser = await launcher.launch({ executablePath: chromium, args: ['--no-sandbox'] });
    try {
      const page = await browser.newPage();
      const said = [];
      const asked = [];
      page.on('console', (message) => ['error', 'warning'].includes(message.type()) && said.push(message.text()));
      page.on('pageerror', (error) => said.push(String(error)));
      page.on('request', (request) => asked.push(request.url()));
      await page.goto(`${stack.url}/docs`);
      await page.getByText('Create an assistant').first().waitFor();
      await page.getByText('Create an assistant').first().click();
      await page.getByText('reasoning_effort').first().waitFor();
      assert.deepEqual(said, []);
      assert.deepEqual([...new Set(asked.map((url) => new URL(url).origin))].filter((origin) => origin !== 'null'), [stack.url]);
    } finally {
      await browser.close();
    }
  });
});
