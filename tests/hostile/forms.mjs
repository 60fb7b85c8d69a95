// Replies of a model as they should not be. Each is {status, headers, body, cut}: body is a Buffer, cut says how many of its
// bytes are sent before the connection is closed (undefined: all). Only the Random decides.

import { deflateSync, gzipSync } from 'node:zlib';

/** Bytes that JSON.stringify would not give: written in place of a marker. */
const raw = new Map();
const mark = (bytes) => {
  const key = `@@raw${raw.size}@@`;
  raw.set(key, Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes));
  return key;
};

const strings = (random) => random.pick([
  () => 'The answer is 42.', () => '', ' \n', () => 'a\u0000b', () => '\ud83d', () => 'x\udc00y', () => '\ufeff…', () => 'é😀'.repeat(random.int(1, 400)),
  () => 'x'.repeat(random.int(5000, 80000)), () => mark(Buffer.from([0xff, 0xc3, 0x28, 0xf0, 0x9f])), () => mark('raw\ttab\nand \u0001 control'), () => mark('\\q\\u12\\d'),
  () => "Robert'); DROP TABLE runs;--", () => '<script>alert(1)</script>', () => '"quoted" \\ {"a":1}', () => '%s%n %00 ${X} {{tool}}', () => '\u202e\u0007\u001b[31m',
].map((make) => (typeof make === 'function' ? make : () => make)))();

const scalar = (random) => random.pick([null, true, false, 0, -1, 42, 1.5, '', 'text', [], {}, [null], { a: { b: [] } }, '9223372036854775808']);

const deep = (random) => {
  const depth = random.pick([10, 63, 64, 65, 127, 300, 5000]);
  return mark('['.repeat(depth) + ']'.repeat(depth));
};

const content = (random) => random.pick([
  () => strings(random), () => strings(random), () => null, () => scalar(random), () => [{ type: 'text', text: strings(random) }], () => [strings(random), null, 7],
  () => [{ type: 'text', text: { value: strings(random) } }, { type: 'image_url' }], () => ({ type: 'text', text: strings(random) }), () => deep(random), () => undefined,
])();

const names = ['calculator', 'current_time', 'lookup', 'calculator', 'lookup'];
const name = (random) => random.pick([
  () => random.pick(names), () => random.pick(names), () => ` ${random.pick(names)}\n`, () => `functions.${random.pick(names)}`, () => 'invented_tool', () => '', () => null,
  () => 42, () => 'n'.repeat(random.int(60, 900)), () => '天気', () => 'a b/c', () => strings(random), () => ['calculator'], () => ({ name: 'calculator' }),
])();

const goodArguments = { calculator: '{"expression":"6*7"}', current_time: '{}', lookup: '{"city":"Oslo"}' };
const callArguments = (random, of) => random.pick([
  () => goodArguments[of] ?? '{}', () => goodArguments[of] ?? '{}', () => '{"expression": "6*7"', () => '[]', () => 'null', () => '{}{}', () => '', () => undefined, () => null,
  () => ({ expression: '6*7', big: 1 }), () => JSON.stringify(goodArguments[of] ?? '{}'), () => '{"a":NaN}', () => '{"a":1,"a":2}', () => '{"a":"\\u0000\\ud800"}',
  () => `{"a":${'['.repeat(random.pick([5, 70, 3000]))}`, () => `{"a":"${'y'.repeat(random.int(1000, 60000))}"}`, () => '6*7', () => 12345678901234567890, () => strings(random),
  () => '{"a":123456789012345678901234567890}', () => scalar(random),
])();

const id = (random, n) => random.pick([
  () => `call_${random.int(0, 1e9)}`, () => `call_${random.int(0, 1e9)}`, () => 'same', () => '', () => null, () => undefined, () => 7, () => 'i'.repeat(random.int(41, 6000)), () => 'a b é',
  () => strings(random), () => ({ id: n }),
])();

const call = (random, n) => random.pick([
  () => ordinary(random, n), () => ordinary(random, n), () => ordinary(random, n), () => ordinary(random, n), () => null, () => 'call', () => 7, () => ({}), () => [],
  () => ({ id: id(random, n), type: 'custom', custom: { name: name(random), input: strings(random) } }), () => ({ id: id(random, n), name: name(random), arguments: callArguments(random, '') }),
  () => ({ id: id(random, n), type: 'function' }), () => ({ id: id(random, n), type: 'function', function: scalar(random) }),
])();

function ordinary(random, n) {
  const called = name(random);
  return { id: id(random, n), type: 'function', function: { name: called, arguments: callArguments(random, called) } };
}

const calls = (random) => {
  const count = random.weighted({ 1: 10, 2: 6, 3: 3, 0: 2, 17: 1, 128: 0.4, 200: 0.4 });
  return random.pick([
    () => Array.from({ length: Number(count) }, (_, n) => call(random, n)), () => Array.from({ length: Number(count) }, (_, n) => ordinary(random, n)), () => call(random, 0), () => scalar(random),
  ])();
};

const count = (random) => random.pick([
  () => random.int(0, 2000), () => random.int(0, 2000), () => String(random.int(0, 99)), () => 10.5, () => -7, () => mark('9223372036854775807'), () => mark('9223372036854775808'),
  () => mark('1e400'), () => mark('NaN'), () => null, () => [], () => mark('0.1e1'), () => mark('-9223372036854775809'),
])();

const usage = (random) => random.pick([
  () => ({ prompt_tokens: count(random), completion_tokens: count(random), total_tokens: count(random) }),
  () => ({ prompt_tokens: count(random), completion_tokens: count(random), prompt_tokens_details: scalar(random), completion_tokens_details: { reasoning_tokens: count(random) } }),
  () => scalar(random), () => undefined,
])();

const finish = (random) => random.pick([
  'stop', 'stop', 'tool_calls', 'tool_calls', 'length', 'content_filter', 'function_call', null, undefined, 'eos', 'COMPLETE', 42, '', 'insufficient_system_resource', {}, 'error',
]);

function message(random) {
  const made = { role: random.pick(['assistant', 'assistant', 'tool', null]), content: content(random) };
  if (random.chance(0.6)) made.tool_calls = calls(random);
  if (random.chance(0.1)) made.function_call = random.pick([() => ordinary(random, 0).function, () => scalar(random)])();
  if (random.chance(0.1)) made.refusal = random.pick([() => strings(random), () => scalar(random)])();
  if (random.chance(0.1)) made.reasoning_content = random.pick([() => strings(random), () => scalar(random)])();
  if (random.chance(0.2)) made[random.pick(['annotations', 'audio', 'x_unknown', '__proto__', ''])] = random.pick([() => scalar(random), () => deep(random)])();
  return made;
}

function completion(random) {
  const choice = () => ({ index: 0, message: random.chance(0.95) ? message(random) : scalar(random), finish_reason: finish(random), logprobs: random.chance(0.1) ? scalar(random) : null });
  const choices = random.pick([() => [choice()], () => [choice()], () => [choice()], () => [choice(), choice()], () => [null, choice()], () => scalar(random), () => []])();
  const made = { id: scalar(random), object: 'chat.completion', created: scalar(random), model: random.pick([() => 'm', () => strings(random), () => scalar(random)])(), choices, usage: usage(random) };
  if (random.chance(0.1)) made.error = random.pick([null, '', {}, 'odd', { message: 'busy', code: 503 }]);
  return made;
}

/** JSON text with the marked bytes in place. */
function write(value) {
  const text = JSON.stringify(value);
  const pieces = text.split(/"?(@@raw\d+@@)"?/);
  return Buffer.concat(pieces.map((piece, i) => {
    if (i % 2 === 0) return Buffer.from(piece);
    const bytes = raw.get(piece);
    const bare = /^[\[\]0-9NaNe.+-]+$/.test(bytes.toString('latin1'));
    return bare ? bytes : Buffer.concat([Buffer.from('"'), bytes, Buffer.from('"')]);
  }));
}

function json(random) {
  raw.clear();
  let body = write(completion(random));
  const twist = random.weighted({ none: 12, bom: 1, blanks: 1, cut: 1, twice: 0.5, comma: 0.5, double: 1 });
  if (twist === 'bom') body = Buffer.concat([Buffer.from('\ufeff'), body]);
  if (twist === 'blanks') body = Buffer.concat([Buffer.from('\n'.repeat(random.int(1, 5000))), body, Buffer.from('  \r\n')]);
  if (twist === 'cut') body = body.subarray(0, random.int(0, body.length));
  if (twist === 'twice') body = Buffer.concat([body, body]);
  if (twist === 'comma') body = Buffer.concat([body.subarray(0, -1), Buffer.from(',}')]);
  if (twist === 'double') body = Buffer.from(body.toString('latin1').replace('"choices":', '"choices":null,"choices":'), 'latin1');
  return body;
}

const garbage = (random) => random.pick([
  () => '', () => 'null', () => '[]', () => '"text"', () => '42', () => '{}', () => '<html><body>502 Bad Gateway</body></html>', () => Buffer.from(Array.from({ length: random.int(1, 3000) }, () => random.int(0, 255))),
  () => `data: ${JSON.stringify({ choices: [{ delta: { content: 'streamed' } }] })}\n\ndata: [DONE]\n\n`, () => '{"message":{"content":"ndjson"}}\n{"done":true}\n', () => '['.repeat(random.pick([100, 100000])),
  () => `{"choices":[${'null,'.repeat(random.int(1, 50000))}null]}`, () => '{"choices":[{"message":{"content":"' + 'z'.repeat(random.pick([1100000, 3000000, 6000000])) + '"}}]}',
  () => '{"error":{"message":"The model is overloaded","type":"server_error"}}', () => '{"error":"out of memory"}', () => '[{"error":{"code":500}}]',
])();

const statuses = [400, 401, 404, 408, 413, 422, 429, 500, 502, 503, 529, 204, 302, 418];

/** One reply. */
export function form(random) {
  const kind = random.weighted({ json: 14, garbage: 3, status: 1.5, encoded: 1.5, cut: 1 });
  const reply = { status: 200, headers: { 'content-type': random.pick(['application/json', 'application/json', 'text/plain', 'text/event-stream']) }, body: Buffer.from(kind === 'garbage' ? garbage(random) : json(random)) };
  if (kind === 'status') {
    reply.status = random.pick(statuses);
    reply.body = Buffer.from(random.chance(0.5) ? garbage(random) : `{"error":{"message":${JSON.stringify(strings(random).replaceAll('@@raw', ''))},"code":${JSON.stringify(scalar(random))}}}`);
    if (reply.status === 429) reply.headers['retry-after'] = random.pick(['0', '0.1', 'soon', '-5']);
    if (reply.status === 204) reply.body = Buffer.alloc(0);
  }
  if (kind === 'encoded') {
    const how = random.pick(['gzip', 'deflate', 'rot13', 'gzip-not']);
    reply.headers['content-encoding'] = how === 'gzip-not' ? 'gzip' : how;
    if (how === 'gzip') reply.body = gzipSync(reply.body);
    if (how === 'deflate') reply.body = deflateSync(reply.body);
  }
  if (kind === 'cut') reply.cut = random.int(0, reply.body.length);
  return reply;
}
