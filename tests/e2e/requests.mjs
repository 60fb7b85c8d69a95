// Requests made up from an OpenAPI document, from a seed: some as it wants them, most with something wrong somewhere. And what
// must be true of each answer.

/** Numbers below n, always the same of a seed (mulberry32, https://github.com/bryc/code/blob/master/jshash/PRNGs.md). */
export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(n) {
    return Math.floor(this.next() * n);
  }

  one(list) {
    return list[this.below(list.length)];
  }

  /** True one time in n. */
  rarely(n) {
    return this.below(n) === 0;
  }
}

const TEXTS = ['', 'a', 'x'.repeat(64), 'x'.repeat(257), 'x'.repeat(513), 'Zürich', '日本', '😀', '\u0000', '\ud800', 'a\nb\tc', "'; DROP TABLE runs; --", '../../etc', '%00', '{{now}}', '<b>', 'null', '0', ' '];
const NUMBERS = [0, 1, -1, 2, 1.5, -0.0001, 1e308, 2 ** 31, -(2 ** 31), 2 ** 53, 1e21, 100, 101];
const ANYTHING = [null, true, false, {}, [], [null], [[[[[]]]]], { a: { b: { c: 1 } } }, ...TEXTS.slice(0, 4), ...NUMBERS.slice(0, 6)];

export class Requests {
  /** `known`: {assistant_id: ['asst_…'], …}: ids that are there, by the names of path parameters and members. */
  constructor(document, known, seed) {
    this.document = document;
    this.known = known;
    this.random = new Random(seed);
    this.operations = Object.entries(document.paths).filter(([path]) => path.startsWith('/v1/')).flatMap(([path, methods]) =>
      ['get', 'post', 'put', 'delete'].filter((method) => methods[method]).map((method) => ({ path, method, said: methods[method], parameters: [...(methods.parameters ?? []), ...(methods[method].parameters ?? [])].map((one) => this.resolve(one)) })),
    );
  }

  resolve(schema) {
    while (schema?.$ref) schema = schema.$ref.split('/').slice(1).reduce((at, name) => at[name.replaceAll('~1', '/').replaceAll('~0', '~')], this.document);
    return schema;
  }

  text(schema, name) {
    const { random } = this;
    const known = this.known[name] ?? (name?.endsWith('_id') ? this.known[name] : undefined);
    if (known?.length && !random.rarely(8)) return random.one(known);
    if (random.rarely(3)) return random.one(TEXTS);
    const length = Math.min(schema.maxLength ?? 12, (schema.minLength ?? 0) + random.below(12));
    return Array.from({ length }, () => random.one('abcdefghij klmnop_-0123456789éß')).join('');
  }

  number(schema, whole) {
    const { random } = this;
    if (random.rarely(4)) return random.one(NUMBERS);
    const low = schema.minimum ?? 0;
    const high = Math.min(schema.maximum ?? 100, low + 1000);
    const value = low + random.next() * (high - low);
    return whole ? Math.round(value) : value;
  }

  object(schema, depth) {
    const { random } = this;
    const out = {};
    for (const [name, member] of Object.entries(schema.properties ?? {}))
      if (schema.required?.includes(name) ? !random.rarely(12) : random.rarely(3)) out[name] = this.value(member, name, depth + 1);
    if (typeof schema.additionalProperties === 'object' || (!schema.properties && random.rarely(2)))
      for (let n = random.below(4); n > 0; n--) out[random.one(TEXTS)] = random.one(TEXTS);
    if (random.rarely(15)) out[random.one(['unknown', '', '__proto__x', 'stream', 'id'])] = random.one(ANYTHING);
    return out;
  }

  array(schema, depth) {
    const { random } = this;
    const most = random.rarely(10) ? Math.min((schema.maxItems ?? 5) + 1, 200) : Math.min(schema.maxItems ?? 4, 4);
    return Array.from({ length: Math.max(schema.minItems ?? 0, random.below(most + 1)) }, () => this.value(schema.items ?? {}, undefined, depth + 1));
  }

  value(schema, name, depth = 0) {
    const { random } = this;
    schema = this.resolve(schema) ?? {};
    if (depth > 8 || random.rarely(25)) return random.one(ANYTHING);
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return random.rarely(10) ? random.one(TEXTS) : random.one(schema.enum);
    const choices = schema.oneOf ?? schema.anyOf;
    if (choices) return this.value(random.one(choices), name, depth + 1);
    if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part) => this.value(part, name, depth + 1)).filter((part) => part && typeof part === 'object'));
    const type = Array.isArray(schema.type) ? random.one(schema.type) : (schema.type ?? (schema.properties ? 'object' : schema.items ? 'array' : 'any'));
    switch (type) {
      case 'string':
        return this.text(schema, name);
      case 'integer':
        return this.number(schema, true);
      case 'number':
        return this.number(schema, false);
      case 'boolean':
        return random.rarely(2);
      case 'object':
        return this.object(schema, depth);
      case 'array':
        return this.array(schema, depth);
      case 'null':
        return null;
      default:
        return random.one(ANYTHING);
    }
  }

  query(operation) {
    const { random } = this;
    const parts = [];
    for (const parameter of operation.parameters) {
      if (parameter.in !== 'query' || !random.rarely(3)) continue;
      const name = parameter.name.replace('[KEY]', `[${random.one(['a', 'team', '', '😀'])}]`);
      const value = this.value(parameter.schema ?? {}, parameter.name);
      // A held connection is not what is tried here.
      parts.push([name, parameter.name === 'wait' ? random.one(['0', '61', 'x']) : typeof value === 'object' ? JSON.stringify(value) : String(value)]);
    }
    if (random.rarely(20)) parts.push([random.one(['unknown', 'limit', 'after', '']), random.one(TEXTS)]);
    return parts.map(([name, value]) => `${encodeURIComponent(name.toWellFormed?.() ?? 'x')}=${random.rarely(30) ? '%ff' : encodeURIComponent(value.toWellFormed?.() ?? 'x')}`).join('&');
  }

  body(operation) {
    const { random } = this;
    const schema = operation.said.requestBody?.content?.['application/json']?.schema;
    if (!schema) return random.rarely(10) ? '{}' : undefined;
    const value = random.rarely(40) ? random.one(ANYTHING) : this.value(schema);
    // What is answered by a stream has tests of its own.
    if (value && typeof value === 'object' && value.stream) value.stream = false;
    if (value?.run?.stream) value.run.stream = false;
    const text = JSON.stringify(value) ?? 'null';
    if (!random.rarely(40)) return text;
    return random.one([text.slice(0, -1), `${text}x`, `\ufeff${text}`, '', '{"a":1e999999}', `${'['.repeat(500)}`, text.replace(/"/, "'")]);
  }

  next() {
    const { random } = this;
    const operation = random.one(this.operations);
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name) => {
      const schema = operation.parameters.find((one) => one.in === 'path' && one.name === name)?.schema ?? { type: 'string' };
      const value = String(this.value(schema, name) ?? 'null');
      return encodeURIComponent(value.toWellFormed?.() ?? 'x') || '%20';
    });
    const query = this.query(operation);
    const headers = { 'content-type': random.rarely(40) ? random.one(['text/plain', 'application/json; charset=utf-16', 'x']) : 'application/json' };
    if (random.rarely(10)) headers['idempotency-key'] = random.one(['a', 'b', 'x'.repeat(255), 'x'.repeat(256), ' ', 'é'.normalize('NFC') && 'k']);
    return { operation, method: operation.method.toUpperCase(), url: query ? `${path}?${query}` : path, body: operation.method === 'get' ? undefined : this.body(operation), headers };
  }
}

/** What is wrong with an answer, a line each. `validate(operation, status)` gives a function of ajv, or nothing. */
export function judge(request, { status, type, text }, validate) {
  const wrong = [];
  let json;
  if (status >= 500 && status !== 503) wrong.push(`status ${status}`);
  if (status === 204 || status === 304) return wrong;
  if (type?.startsWith('text/event-stream')) return wrong;
  if (type && status < 300 && type in (request.operation.said.responses?.[status]?.content ?? {}) && type !== 'application/json') return wrong;
  try {
    json = JSON.parse(text);
  } catch {
    return [...wrong, `not JSON (${type}): ${text.slice(0, 80)}`];
  }
  if (status >= 400) {
    const { error } = json;
    if (typeof error?.message !== 'string' || error.message === '' || typeof error.type !== 'string' || !('param' in error) || !('code' in error)) wrong.push(`an error without its members: ${text.slice(0, 200)}`);
    else if (/SQL|syntax error|22P02|violates|relation "/.test(error.message)) wrong.push(`words of the database: ${error.message}`);
    return wrong;
  }
  const check = validate(request.operation, status);
  if (check && !check(json)) wrong.push(`not as its schema says: ${JSON.stringify(check.errors.slice(0, 2).map(({ instancePath, message, params }) => [instancePath, message, params]))}: ${text.slice(0, 160)}`);
  return wrong;
}
