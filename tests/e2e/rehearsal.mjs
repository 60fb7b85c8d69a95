// penstock-rehearsal for a test: started with a script on a free port, stopped by its process id.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bin } from './dev.mjs';

export class Rehearsal {
  /** Plays a script given as YAML text; without one the assistant that is compiled in. */
  static async start(script, ...args) {
    const rehearsal = new Rehearsal();
    rehearsal.dir = mkdtempSync(join(tmpdir(), 'penstock-rehearsal-'));
    rehearsal.ledgerFile = join(rehearsal.dir, 'ledger.jsonl');
    if (script) {
      writeFileSync(join(rehearsal.dir, 'script.yaml'), script);
      args.push('--script', join(rehearsal.dir, 'script.yaml'));
    }
    rehearsal.child = spawn(join(bin, 'penstock-rehearsal'), ['--port', '0', '--ledger', rehearsal.ledgerFile, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    rehearsal.output = '';
    await new Promise((done, fail) => {
      const read = (chunk) => {
        rehearsal.output += chunk;
        const port = /ready at http:\/\/127\.0\.0\.1:(\d+)\/v1/.exec(rehearsal.output)?.[1];
        if (port) done((rehearsal.url = `http://127.0.0.1:${port}`));
      };
      rehearsal.child.stdout.on('data', read);
      rehearsal.child.stderr.on('data', read);
      rehearsal.child.on('exit', () => fail(new Error(`penstock-rehearsal ended:\n${rehearsal.output}`)));
    });
    return rehearsal;
  }

  /** The lines of the ledger so far. */
  ledger() {
    return readFileSync(this.ledgerFile, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  async stats() {
    return (await fetch(`${this.url}/rehearsal/stats`)).json();
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A script that serves all SDKs alike. */
export const script = `
context_tokens: {'tiny*': 20}
rules:
  - {name: vectors fail, when: {embeddings: true, model: 'broken*'}, then: {status: 500}}
  - {name: limited, when: {user: '^limited'}, then: {status: 429}}
  - {name: overloaded, when: {user: '^overloaded'}, then: {status: 529}}
  - {name: refused key, when: {user: '^key'}, then: {status: 401}}
  - {name: cut, when: {user: '^cut'}, then: {text: 'this text is never seen to its end, since something happens before', cut_after: 4}}
  - {name: error within, when: {user: '^break'}, then: {text: 'this text is never seen to its end, since something happens before', error_after: {events: 4, status: 500}}}
  - {name: malformed within, when: {user: '^malformed'}, then: {text: 'this text is never seen to its end, since something happens before', malformed_after: 4}}
  - {name: too much, when: {user: '^lengthy'}, then: {text: 'It goes on and', finish_reason: length}}
  - name: two calls after thinking
    when: {user: '^think'}
    steps:
      - reasoning: 'First the numbers, then the clock.'
        calls:
          - {name: calculator, arguments: {expression: '6*7', note: 'été ∑'}}
          - {name: current_time, arguments: {timezone: Europe/Oslo}}
        usage: {prompt_tokens: 100, completion_tokens: 30, cached_tokens: 40, cache_write_tokens: 10, reasoning_tokens: 12}
      - text: 'So it is {{tool.1}} and {{tool.2}}.'
  - name: a call
    when: {user: '^call'}
    steps:
      - calls: [{name: calculator, arguments: {expression: '6*7'}}]
      - text: 'It is {{tool}}.'
  - {name: reason, when: {user: '^reason'}, then: {reasoning: 'Let me see.', text: 'Seen.'}}
  - name: hello
    then: {text: 'Hello from {{model}}, ça va? 你好!', usage: {prompt_tokens: 12, completion_tokens: 5}}
`;

export const schema = { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] };
