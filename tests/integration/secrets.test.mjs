// Secrets: written, never shown, and sealed under a master key that changes.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withStack } from '../lib/stack.mjs';

const masterKey = () => randomBytes(32).toString('base64');
const value = 'sk-planted-0a1b2c3d4e5f';

/** All that the database holds, and all that anybody logged. */
function traces(stack) {
  const dump = execFileSync('pg_dump', ['--dbname', stack.databaseUrl], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const files = readdirSync(stack.dir).filter((name) => name.endsWith('.log') || name.endsWith('.jsonl'));
  return [dump, ...files.map((name) => readFileSync(join(stack.dir, name), 'utf8'))];
}

/** In none of them is the value, in none of its forms. */
function checkNowhere(stack, secret) {
  const forms = [secret, Buffer.from(secret).toString('base64').replace(/=+$/, ''), Buffer.from(secret).toString('hex')];
  for (const text of traces(stack)) for (const form of forms) assert.ok(!text.includes(form), `found ${form}`);
}

const pipe = (stack, args, input, env = {}) =>
  spawnSync(join(stack.bin, 'penstock'), args, {
    env: { ...process.env, ...stack.env, PENSTOCK_URL: stack.url, PENSTOCK_API_KEY: stack.key, ...env },
    input,
    encoding: 'utf8',
  });

test('a secret is written, listed and deleted, and its value is shown nowhere', async () => {
  await withStack({ workers: 0, env: { PENSTOCK_MASTER_KEY: masterKey(), PENSTOCK_LOG_LEVEL: 'debug' } }, async (stack) => {
    const made = await stack.ok('POST', '/v1/secrets', { name: 'SHOP_KEY', value });
    assert.deepEqual([made.object, made.name, made.version, made.last_used_at], ['secret', 'SHOP_KEY', 1, null]);
    assert.match(made.id, /^sec_[0-9a-f]{32}$/);
    assert.deepEqual(await stack.ok('GET', '/v1/secrets/SHOP_KEY'), made);
    assert.deepEqual((await stack.ok('GET', '/v1/secrets')).data, [made]);
    assert.equal((await stack.ok('PUT', '/v1/secrets/SHOP_KEY', { value: `${value}2` })).version, 2);
    assert.equal((await stack.ok('PUT', '/v1/secrets/OTHER', { value })).version, 1);
    assert.ok(!JSON.stringify(await stack.ok('GET', '/v1/secrets')).includes('planted'));

    const again = await stack.call('POST', '/v1/secrets', { name: 'SHOP_KEY', value });
    assert.deepEqual([again.status, again.body.error.code, again.headers.get('x-should-retry')], [409, 'secret_exists', 'false']);
    for (const [body, code] of [
      [{ name: 'A B', value }, 'invalid_value'],
      [{ name: '9', value }, 'invalid_value'],
      [{ name: 'SHORT', value: 'planted' }, 'invalid_value'],
      [{ name: 'LONG', value: 'planted'.repeat(3000) }, 'invalid_value'],
      [{ name: 'NUMBER', value: 12345678 }, 'invalid_type'],
      [{ name: 'NONE' }, 'missing_required_parameter'],
      [{ name: 'MORE', value, valeu: value }, 'unknown_parameter'],
    ]) {
      const refused = await stack.call('POST', '/v1/secrets', body);
      assert.deepEqual([refused.status, refused.body.error.code], [400, code], JSON.stringify(refused.body));
      assert.ok(!JSON.stringify(refused.body).includes('planted'), JSON.stringify(refused.body));
    }
    assert.equal((await stack.call('PUT', '/v1/secrets/A-B', { value })).status, 400);

    const stranger = stack.tenant('stranger');
    assert.equal((await stranger.call('GET', '/v1/secrets/SHOP_KEY')).status, 404);
    assert.equal((await stranger.call('DELETE', '/v1/secrets/SHOP_KEY')).status, 404);
    assert.deepEqual((await stranger.call('GET', '/v1/secrets')).body.data, []);

    assert.deepEqual(await stack.ok('DELETE', '/v1/secrets/SHOP_KEY'), { id: made.id, object: 'secret.deleted', deleted: true });
    assert.equal((await stack.call('GET', '/v1/secrets/SHOP_KEY')).status, 404);
    checkNowhere(stack, value);
    checkNowhere(stack, `${value}2`);
  });
});

test('without a master key secrets are refused, with what to do', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const refused = await stack.call('PUT', '/v1/secrets/SHOP_KEY', { value });
    assert.deepEqual([refused.status, refused.body.error.code, refused.headers.get('x-should-retry')], [503, 'secrets_unavailable', 'false']);
    assert.match(refused.body.error.message, /PENSTOCK_MASTER_KEY_FILE/);
    assert.deepEqual((await stack.ok('GET', '/v1/secrets')).data, []);
  });
});

test('a master key that is none keeps a server from starting, and is not repeated', async () => {
  await withStack({ bare: true }, async (stack) => {
    for (const name of ['penstock-scheduler', 'penstock-worker']) {
      const wrong = spawnSync(join(stack.bin, name), [], { env: { ...process.env, ...stack.env, PENSTOCK_MASTER_KEY: 'hunter2-hunter2' }, encoding: 'utf8' });
      assert.notEqual(wrong.status, 0);
      assert.match(wrong.stdout + wrong.stderr, /master key number 1 is none/);
      assert.ok(!(wrong.stdout + wrong.stderr).includes('hunter2'));
    }
  });
});

test('values come from standard input, and never from arguments', async () => {
  await withStack({ workers: 0, env: { PENSTOCK_MASTER_KEY: masterKey() } }, async (stack) => {
    const set = pipe(stack, ['secrets', 'set', 'SHOP_KEY'], `${value}\n`);
    assert.deepEqual([set.status, set.stdout], [0, 'SHOP_KEY has its value number 1\n'], set.stderr);
    assert.equal(pipe(stack, ['secrets', 'set', 'SHOP_KEY', value], '').status, 2);
    const short = pipe(stack, ['secrets', 'set', 'SHOP_KEY'], 'planted\n');
    assert.notEqual(short.status, 0);
    assert.match(short.stderr, /8 to 16384 bytes, got 7/);
    assert.ok(!short.stderr.includes('planted'));
    assert.match(pipe(stack, ['secrets', 'set', 'BINARY'], Buffer.from([1, 2, 3, 0xff, 0xfe, 0xff, 0xfe, 0xff, 0xfe])).stderr, /no UTF-8/);
    assert.match(stack.command('secrets', 'list'), /^SHOP_KEY +1 /m);
    stack.command('secrets', 'delete', 'SHOP_KEY');
    assert.equal(stack.command('secrets', 'list', '--json'), '');
  });
});

test('the master key is changed: what was sealed before is wrapped anew, and nobody is started again', async () => {
  await withStack({ bare: true }, async (stack) => {
    const file = join(stack.dir, 'master-keys');
    const [first, second] = [masterKey(), masterKey()];
    writeFileSync(file, first);
    stack.env.PENSTOCK_MASTER_KEY_FILE = file;
    await stack.startScheduler();
    for (let i = 0; i < 250; i++) await stack.ok('PUT', `/v1/secrets/KEY_${i}`, { value: `${value}-${i}` });
    const stranger = stack.tenant('stranger');
    await stranger.ok('PUT', '/v1/secrets/KEY_0', { value: `${value}-stranger` });
    const keys = () => stack.exec('SELECT key_id, count(*) FROM secrets GROUP BY 1 ORDER BY 2 DESC');
    const old = keys();

    writeFileSync(file, `${second}\n${first}\n`);
    const made = await stack.ok('PUT', '/v1/secrets/NEW', { value });
    assert.notEqual(made.master_key_id, (await stack.ok('GET', '/v1/secrets/KEY_0')).master_key_id, 'the new key seals at once');
    const sealed = stack.exec('SELECT md5(string_agg(sealed::text, id::text ORDER BY id)) FROM secrets');
    assert.match(stack.command('secrets', 'rotate'), /^251 secrets were wrapped anew/);
    assert.notEqual(keys(), old);
    assert.equal(keys().trim().split('\n').length, 1, 'all are under one key');
    assert.equal(stack.exec('SELECT md5(string_agg(sealed::text, id::text ORDER BY id)) FROM secrets'), sealed, 'values were not touched');
    assert.match(stack.command('secrets', 'rotate'), /^0 secrets/);

    writeFileSync(file, masterKey());
    const lost = pipe(stack, ['secrets', 'rotate'], '');
    assert.notEqual(lost.status, 0);
    assert.match(lost.stderr, /252 secrets could not be: keep the keys that opened them/);
    assert.match(lost.stderr, /KEY_0 is sealed under the master key [0-9a-f]{16}, which is not among/);
  });
});
