// Programs that models write: run in a sandbox, with files, and refused where there is none.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { test } from 'node:test';
import { until, withStack } from '../lib/stack.mjs';

const on = { PENSTOCK_CODE_INTERPRETER: 'on' };

const script = (...programs) => `rules:\n  - steps:\n${programs.map((code) => `      - calls: [{name: code_interpreter, arguments: ${JSON.stringify({ code })}}]\n`).join('')}      - text: 'Told: {{tool}}'\n`;

/** Waits until a worker has said whether it can; null where this machine can't have a sandbox, and why then. */
async function ability(stack) {
  const [row] = await until('a worker says whether it can run programs', async () => {
    const rows = stack.sql('SELECT code_interpreter AS said FROM workers WHERE code_interpreter IS NOT NULL');
    return rows.length > 0 && rows;
  });
  return row.said;
}

async function withCode(t, options, body) {
  await withStack({ ...options, env: { ...on, ...options.env } }, async (stack) => {
    const trouble = await ability(stack);
    if (trouble) {
      t.skip(`no sandbox can be had here: ${trouble}`);
      return;
    }
    await body(stack);
  });
}

const coder = (stack, fields = {}) => stack.assistant({ tools: [{ type: 'code_interpreter' }], ...fields });

async function steps(stack, run) {
  const list = await stack.ok('GET', `/v1/threads/${run.thread_id}/runs/${run.id}/steps?order=asc`);
  return list.data.filter((step) => step.type === 'tool_calls').flatMap((step) => step.step_details.tool_calls);
}

test('a program runs, the model is told what it printed, and the step is as OpenAI has it', async (t) => {
  const program = 'import sys\nprint(6 * 7)\nprint("careful", file=sys.stderr)';
  await withCode(t, { script: script(program) }, async (stack) => {
    const run = await stack.submit(await coder(stack), 'What is six times seven?');
    assert.equal((await stack.finished(run)).status, 'completed');
    const told = JSON.parse((await stack.answer(run)).replace('Told: ', ''));
    assert.deepEqual(told, { exit_code: 0, stdout: '42\n', stderr: 'careful\n' });
    const [call] = await steps(stack, run);
    assert.equal(call.type, 'code_interpreter');
    assert.deepEqual(call.code_interpreter, { input: program, outputs: [{ type: 'logs', logs: '42\ncareful\n' }] });
    const [row] = stack.sql('SELECT class, state FROM tool_calls');
    assert.deepEqual(row, { class: 'idempotent', state: 'done' });
  });
});

test('without bubblewrap an assistant is refused with the reason, and so is a call', async () => {
  const path = process.env.PATH.split(':').filter((folder) => {
    try {
      execFileSync('test', ['-x', `${folder}/bwrap`]);
      return false;
    } catch {
      return true;
    }
  }).join(':');
  await withStack({ script: script('print(1)'), env: { ...on }, workers: 0 }, async (stack) => {
    const early = await stack.call('POST', '/v1/assistants', { model: 'openai/x', tools: [{ type: 'code_interpreter' }] });
    assert.deepEqual([early.status, early.body.error.code], [503, 'no_worker']);
    await stack.startWorker({ PATH: path });
    assert.equal(await ability(stack), 'there is no bwrap in PATH (package bubblewrap)');
    const refused = await stack.call('POST', '/v1/assistants', { model: 'openai/x', tools: [{ type: 'calculator' }, { type: 'code_interpreter' }] });
    assert.equal(refused.status, 400);
    assert.equal(refused.body.error.param, 'tools[1]');
    assert.match(refused.body.error.message, /no worker can run programs: there is no bwrap in PATH/);
    // One that was made while another worker could.
    stack.exec("UPDATE workers SET code_interpreter = ''");
    const assistant = await coder(stack);
    const run = await stack.submit(assistant, 'Compute.');
    assert.equal((await stack.finished(run)).status, 'completed');
    assert.equal(await stack.answer(run), 'Told: Error: there is no bwrap in PATH (package bubblewrap).');
    const [call] = await steps(stack, run);
    assert.deepEqual(call.code_interpreter.outputs, [{ type: 'logs', logs: 'Error: there is no bwrap in PATH (package bubblewrap).' }]);
  });
});

test('where it is switched off an assistant is refused', async () => {
  await withStack({ script: script('print(1)') }, async (stack) => {
    assert.match(await ability(stack), /switched off/);
    const refused = await stack.call('POST', '/v1/assistants', { model: 'openai/x', tools: [{ type: 'code_interpreter' }] });
    assert.equal(refused.status, 400);
    assert.match(refused.body.error.message, /switched off/);
  });
});

test('a cancelled run leaves no program behind', async (t) => {
  await withCode(t, { script: script('import time\nprint("marker-of-cancel")\ntime.sleep(1000)') }, async (stack) => {
    const run = await stack.submit(await coder(stack), 'Wait.');
    const running = async () => Number(/^penstock_worker_programs_running (\d+)$/m.exec(await (await fetch(`${stack.workers[0].url}/metrics`)).text())[1]);
    await until('the program runs', async () => (await running()) === 1);
    await stack.ok('POST', `/v1/threads/${run.thread_id}/runs/${run.id}/cancel`);
    assert.equal((await stack.finished(run)).status, 'cancelled');
    await until('it is gone', async () => (await running()) === 0);
  });
});

test('a worker that is killed takes its programs along, and another one makes the call again', async (t) => {
  const config = 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n';
  await withCode(t, { script: script('import time\ntime.sleep(5)\nprint("done")'), config }, async (stack) => {
    const run = await stack.submit(await coder(stack), 'Compute.');
    await until('the call is made', async () => stack.sql("SELECT 1 FROM tool_calls WHERE state = 'intent'").length > 0);
    const [helper] = execFileSync('pgrep', ['-P', String(stack.workers[0].pid), 'penstock-spawn'], { encoding: 'utf8' }).trim().split('\n');
    const children = () => {
      try {
        return execFileSync('pgrep', ['-P', helper], { encoding: 'utf8' }).trim().split('\n');
      } catch {
        return [];
      }
    };
    await until('the program runs', async () => children().length > 0);
    await stack.workers[0].kill('SIGKILL');
    await until('the helper is gone', async () => execFileSync('ps', ['-o', 'stat=', '-p', `${helper},1`], { encoding: 'utf8' }).trim().split('\n').filter((line) => !line.startsWith('Z')).length === 1);
    assert.deepEqual(children(), []);
    await stack.startWorker();
    assert.equal((await stack.finished(run, 60000)).status, 'completed');
    assert.equal(JSON.parse((await stack.answer(run)).replace('Told: ', '')).stdout, 'done\n');
  });
});

/** Sends a file, and returns its id. */
async function upload(stack, name, text) {
  const form = new FormData();
  form.append('purpose', 'assistants');
  form.append('file', new Blob([text]), name);
  const reply = await fetch(`${stack.url}/v1/files`, { method: 'POST', headers: { authorization: `Bearer ${stack.key}` }, body: form });
  assert.equal(reply.status, 200);
  return (await reply.json()).id;
}

const told = async (stack, run) => JSON.parse((await stack.answer(run)).replace('Told: ', ''));

test('files of assistant, thread and message are there, and what a program makes is a file', async (t) => {
  const program = [
    'import os',
    'print(sorted(os.listdir("/job/in")), open("/job/in/a.txt").read(), open("/job/in/b.txt").read(), open("/job/in/c.txt").read())',
    'open("/job/out/sum.csv", "w").write("1,2\\n")',
    'open("/job/out/dot.png", "wb").write(b"\\x89PNG\\r\\n\\x1a\\n....")',
    'os.symlink("/usr/bin/python3", "/job/out/link")',
  ].join('\n');
  await withCode(t, { script: script(program) }, async (stack) => {
    const [a, b, c] = [await upload(stack, 'a.txt', 'A'), await upload(stack, 'b.txt', 'B'), await upload(stack, 'c.txt', 'C')];
    const gone = await upload(stack, 'd.txt', 'D');
    const assistant = await coder(stack, { tool_resources: { code_interpreter: { file_ids: [a, gone] } } });
    await stack.ok('DELETE', `/v1/files/${gone}`);
    const run = await stack.submit(assistant, 'Sum up.', {
      thread: {
        messages: [{ role: 'user', content: 'Sum up.', attachments: [{ file_id: b, tools: [{ type: 'code_interpreter' }] }] }],
        tool_resources: { code_interpreter: { file_ids: [c] } },
      },
    });
    assert.equal((await stack.finished(run)).status, 'completed');
    const result = await told(stack, run);
    assert.equal(result.stdout, "['a.txt', 'b.txt', 'c.txt'] A B C\n", JSON.stringify(result));
    assert.equal(result.note, `${gone}: there is no such file any more.`);
    assert.deepEqual(result.skipped, [{ name: 'out/link', why: 'it is a link' }]);
    assert.deepEqual(result.files.map(({ name, bytes, image }) => ({ name, bytes, image })), [{ name: 'dot.png', bytes: 12, image: true }, { name: 'sum.csv', bytes: 4, image: undefined }]);
    const [dot, sum] = result.files;
    const file = await stack.ok('GET', `/v1/files/${sum.file_id}`);
    assert.deepEqual([file.filename, file.purpose, file.bytes], ['sum.csv', 'assistants_output', 4]);
    assert.equal(await stack.ok('GET', `/v1/files/${sum.file_id}/content`), '1,2\n');
    assert.equal((await stack.ok('GET', '/v1/files?purpose=assistants_output')).data.length, 2);
    const [call] = await steps(stack, run);
    assert.deepEqual(call.code_interpreter.outputs[1], { type: 'image', image: { file_id: dot.file_id } });
    const shown = stack.command('runs', 'show', run.id);
    assert.match(shown, /^→ code_interpreter\n  import os\n  print\(sorted/m, 'the program as it is');
    assert.match(shown, new RegExp(`^← \\['a\\.txt', 'b\\.txt', 'c\\.txt'\\] A B C\n  ${gone}: there is no such file any more\\.\n← \\[image ${dot.file_id}\\] \\(\\d+ ms\\)$`, 'm'));
  });
});

test('the work folder of a thread lasts, is its own, and goes with it', async (t) => {
  const program = [
    'import os',
    'n = int(open("count").read()) if os.path.exists("count") else 0',
    'os.makedirs("deep/er", exist_ok=True)',
    'open("deep/er/big", "wb").write(os.urandom(400000))',
    'open("count", "w").write(str(n + 1))',
    'print(n)',
  ].join('\n');
  await withCode(t, { script: script(program, program) }, async (stack) => {
    const assistant = await coder(stack);
    const first = await stack.submit(assistant, 'Count.');
    assert.equal((await stack.finished(first)).status, 'completed');
    assert.equal((await told(stack, first)).stdout, '1\n'); // the second program of the run
    const again = await stack.ok('POST', `/v1/threads/${first.thread_id}/runs`, { assistant_id: assistant.id, additional_messages: [{ role: 'user', content: 'Again.' }] });
    assert.equal((await stack.finished(again)).status, 'completed');
    assert.equal((await told(stack, again)).stdout, '3\n');
    const other = await stack.submit(assistant, 'Count.');
    assert.equal((await stack.finished(other)).status, 'completed');
    assert.equal((await told(stack, other)).stdout, '1\n');
    const held = () => Number(stack.sql('SELECT coalesce(sum(bytes), 0) AS bytes FROM tenant_files')[0].bytes);
    const stored = () => Number(stack.sql("SELECT coalesce(sum(bytes), 0) AS bytes FROM blobs WHERE state = 'ready'")[0].bytes);
    assert.equal(held(), stored());
    assert.ok(held() > 4 * 400000 && held() < 5 * 400000, `${held()}`); // two folders, and what was before each
    await stack.ok('DELETE', `/v1/threads/${first.thread_id}`);
    await stack.ok('DELETE', `/v1/threads/${other.thread_id}`);
    await until('the folders are gone', async () => stack.sql('SELECT 1 FROM work_folders').length === 0 && stack.sql('SELECT 1 FROM blob_chunks').length === 0);
    assert.equal(held(), 0);
  });
});

test('a call that is made again begins where it began the first time', async (t) => {
  const program = 'import os\nopen("log", "a").write("x")\nprint(len(open("log").read()))';
  await withCode(t, { script: script(program, program), config: 'worker: {lease_ms: 3000, heartbeat_ms: 500}\n' }, async (stack) => {
    // The second call's result is kept from being stored: its worker dies behind its program's end.
    stack.exec(`CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF new.state = 'done' AND new.call_no = 2 AND EXISTS (SELECT FROM pg_class WHERE relname = 'holding') THEN PERFORM pg_advisory_xact_lock(4711); END IF;
      RETURN new; END $$`);
    stack.exec('CREATE TRIGGER hold BEFORE INSERT OR UPDATE ON tool_calls FOR EACH ROW EXECUTE FUNCTION hold()');
    stack.exec('CREATE TABLE holding ()');
    const holder = spawn('psql', [stack.databaseUrl, '-qAt'], { stdio: ['pipe', 'pipe', 'inherit'] });
    holder.stdin.write('SELECT pg_advisory_lock(4711); SELECT 1;\n');
    await new Promise((done) => holder.stdout.once('data', done));
    const run = await stack.submit(await coder(stack), 'Log.');
    await until('the second program has ended and its folder is kept', async () => stack.sql("SELECT 1 FROM work_folders WHERE made_by LIKE '%:2'").length > 0);
    await stack.workers[0].kill('SIGKILL');
    // Postgres would go on with what the dead worker has asked for.
    stack.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'");
    stack.exec('DROP TABLE holding');
    holder.stdin.end('SELECT pg_advisory_unlock(4711);\n');
    const second = await stack.startWorker();
    assert.equal((await stack.finished(run, 60000)).status, 'completed');
    assert.match(await (await fetch(`${second.url}/metrics`)).text(), /^penstock_worker_programs_total 1$/m);
    assert.equal((await told(stack, run)).stdout, '2\n');
  });
});
