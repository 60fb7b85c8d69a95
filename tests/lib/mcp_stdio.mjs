// A server of the Model Context Protocol that is a program, and misbehaves on demand: `node mcp_stdio.mjs ERA [MANNER…]`.

import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [era, ...manners] = process.argv.slice(2);
const say = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });
const attempt = (fn) => {
  try {
    return fn();
  } catch (error) {
    return error.code ?? error.message;
  }
};
const object = { type: 'object' };
const held = new Map();
let calls = 0;
let cancelled = 0;

const tools = {
  echo: ({ text: said }) => text(`echo: ${said}`),
  count: () => text(`call ${++calls} of ${process.pid}`),
  cancels: () => text(`${cancelled} cancelled`),
  look: () => text(JSON.stringify({ env: Object.keys(process.env).sort(), passwd: attempt(() => readFileSync('/etc/passwd', 'utf8').length), root: attempt(() => writeFileSync('/x', 'x') ?? 'written'), interfaces: readFileSync('/proc/net/dev', 'utf8').match(/^ *\w+(?=:)/gm).map((name) => name.trim()), uid: process.getuid() })),
  hold: (_, rpc) => void held.set(rpc.id, true),
  progress: (_, rpc) => {
    let step = 0;
    const timer = setInterval(() => {
      say({ method: 'notifications/progress', params: { progressToken: rpc.params._meta.progressToken, progress: ++step } });
      if (step < 20) return;
      clearInterval(timer);
      say({ id: rpc.id, result: text(`after ${step} steps`) });
    }, 50);
  },
  big: () => text('x'.repeat(1 << 20)),
  exit: () => process.exit(3),
  noise: () => (process.stdout.write('this is no message\n{"half": \n'), text('behind noise')),
};

if (manners.includes('dies')) {
  process.stderr.write('cannot find my configuration\n');
  process.exit(1);
}
createInterface({ input: process.stdin }).on('line', (line) => {
  const rpc = JSON.parse(line);
  if (rpc.method === 'notifications/cancelled') cancelled++;
  if (rpc.id === undefined || !rpc.method) return;
  const modern = rpc.params?._meta?.['io.modelcontextprotocol/protocolVersion'];
  if (rpc.method === 'server/discover') {
    if (manners.includes('silent')) return;
    if (manners.includes('dies-of-probe')) process.exit(4);
    if (era === 'modern') return say({ id: rpc.id, result: { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } } });
  }
  if (rpc.method === 'initialize' && era === 'legacy') return say({ id: rpc.id, result: { protocolVersion: rpc.params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'stdio', version: '1' } } });
  if ((era === 'modern') !== Boolean(modern)) return say({ id: rpc.id, error: { code: -32601, message: 'Method not found' } });
  if (rpc.method === 'tools/list') return say({ id: rpc.id, result: { tools: Object.keys(tools).map((name) => ({ name, inputSchema: object })) } });
  if (rpc.method !== 'tools/call') return say({ id: rpc.id, error: { code: -32601, message: 'Method not found' } });
  const result = tools[rpc.params.name](rpc.params.arguments, rpc);
  if (result) say({ id: rpc.id, result });
});
