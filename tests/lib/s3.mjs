// A stand-in for S3 that judges each signature by its own means: the reference's words (docs.aws.amazon.com, "Signature Version 4"), not the code under
// test. It has objects, multipart uploads, ranges, and troubles of its own on demand.

import { createHash, createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';

const PART_BYTES_MIN = 5 << 20;
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
const awsEscape = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** Why a request is not signed as it must be; undefined: it is. */
function judge(request, url, body, { accessKey, secretKey, region }) {
  const said = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(request.headers.authorization ?? '');
  if (!said) return ['AccessDenied', 'no signature of version 4'];
  const [, key, day, zone, names, signature] = said;
  const date = request.headers['x-amz-date'] ?? '';
  if (key !== accessKey) return ['InvalidAccessKeyId', key];
  if (zone !== region || !date.startsWith(day)) return ['AuthorizationHeaderMalformed', `${zone} ${date}`];
  const at = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!(Math.abs(Date.now() - at) < 15 * 60 * 1000)) return ['RequestTimeTooSkewed', date];
  const headers = names.split(';');
  if (headers.join(';') !== [...headers].sort().join(';')) return ['SignatureDoesNotMatch', 'headers out of order'];
  for (const name of ['host', 'x-amz-date', 'x-amz-content-sha256'])
    if (!headers.includes(name)) return ['SignatureDoesNotMatch', `${name} is not signed`];
  if (request.headers['x-amz-content-sha256'] !== sha256(body)) return ['XAmzContentSHA256Mismatch', 'the body is another'];
  const query = [...url.searchParams].map(([name, value]) => `${awsEscape(name)}=${awsEscape(value)}`).sort().join('&');
  const path = decodeURIComponent(url.pathname).split('/').map(awsEscape).join('/');
  const canonical = [request.method, path, query, ...headers.map((name) => `${name}:${request.headers[name]?.trim()}`), '', names, request.headers['x-amz-content-sha256']].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const signing = ['aws4_request'].reduce(hmac, hmac(hmac(hmac(`AWS4${secretKey}`, day), region), 's3'));
  if (hmac(signing, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(canonical)}`).toString('hex') !== signature) return ['SignatureDoesNotMatch', canonical];
}

export class S3 {
  static async start({ bucket = 'files', accessKey = 'AKIDEXAMPLE', secretKey = 'secret/with+odd=chars', region = 'eu-test-1', hostStyle = false, host = '127.0.0.1' } = {}) {
    const s3 = Object.assign(new S3(), { bucket, accessKey, secretKey, region, hostStyle, host, objects: new Map(), uploads: new Map(), refused: [], requests: [], trouble: () => {} });
    s3.server = createServer((request, response) => s3.#answer(request, response).catch(() => response.destroy()));
    s3.server.listen(0, '127.0.0.1');
    await once(s3.server, 'listening');
    s3.port = s3.server.address().port;
    return s3;
  }

  get env() {
    return {
      PENSTOCK_S3_ENDPOINT: `http://${this.host}:${this.port}`,
      PENSTOCK_S3_BUCKET: this.bucket,
      PENSTOCK_S3_REGION: this.region,
      PENSTOCK_S3_ACCESS_KEY: this.accessKey,
      PENSTOCK_S3_SECRET_KEY: this.secretKey,
    };
  }

  async #answer(request, response) {
    const url = new URL(request.url, `http://${request.headers.host}`);
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces);
    this.requests.push(`${request.method} ${[...url.searchParams.keys()].join('&')}`);
    const fail = (status, code, message = '') => {
      response.writeHead(status, { 'content-type': 'application/xml' });
      response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
    };
    const bad = judge(request, url, body, this);
    if (bad) {
      this.refused.push(bad);
      return fail(403, ...bad);
    }
    const trouble = await this.trouble(request, url, this.requests.length);
    if (trouble === 'cut') return response.destroy();
    if (typeof trouble === 'function') return trouble(response);
    if (trouble) return fail(trouble, 'SlowDown');
    const prefix = this.hostStyle ? '/' : `/${this.bucket}/`;
    if (!url.pathname.startsWith(prefix)) return fail(404, 'NoSuchBucket');
    return this.#serve(request, response, url, url.pathname.slice(prefix.length), body, fail);
  }

  #serve(request, response, url, key, body, fail) {
    const query = url.searchParams;
    const upload = query.get('uploadId');
    const reply = (text = '', headers = {}) => response.writeHead(200, headers).end(text);
    if (request.method === 'POST' && query.has('uploads')) {
      const id = `up/${this.uploads.size}+${Math.random()}=`; // what must be escaped in a query
      this.uploads.set(id, { key, parts: new Map() });
      return reply(`<?xml version="1.0"?><InitiateMultipartUploadResult><Bucket>${this.bucket}</Bucket><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    }
    if (upload && !this.uploads.has(upload)) return fail(404, 'NoSuchUpload');
    if (request.method === 'PUT' && upload) {
      this.uploads.get(upload).parts.set(Number(query.get('partNumber')), body);
      return reply('', { etag: `"${sha256(body).slice(0, 32)}"` });
    }
    if (request.method === 'POST' && upload) return this.#complete(upload, body.toString(), reply, fail);
    if (request.method === 'DELETE' && upload) {
      this.uploads.delete(upload);
      return response.writeHead(204).end();
    }
    if (request.method === 'PUT') {
      this.objects.set(key, body);
      return reply('', { etag: '"x"' });
    }
    if (request.method === 'DELETE') {
      this.objects.delete(key);
      return response.writeHead(204).end();
    }
    return this.#get(request, response, key, fail);
  }

  #complete(upload, xml, reply, fail) {
    const { key, parts } = this.uploads.get(upload);
    const named = [...xml.matchAll(/<Part><PartNumber>(\d+)<\/PartNumber><ETag>("[0-9a-f]+")<\/ETag><\/Part>/g)].map(([, number, etag]) => [Number(number), etag]);
    if (named.length === 0) return fail(400, 'MalformedXML');
    for (const [i, [number, etag]] of named.entries()) {
      const part = parts.get(number);
      if (number !== i + 1 || !part || etag !== `"${sha256(part).slice(0, 32)}"`) return fail(400, 'InvalidPart');
      if (part.length < PART_BYTES_MIN && i < named.length - 1) return fail(400, 'EntityTooSmall');
    }
    this.objects.set(key, Buffer.concat(named.map(([number]) => parts.get(number))));
    this.uploads.delete(upload);
    return reply('<CompleteMultipartUploadResult></CompleteMultipartUploadResult>');
  }

  #get(request, response, key, fail) {
    const object = this.objects.get(key);
    if (!object) return fail(404, 'NoSuchKey');
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const bytes = range ? object.subarray(Number(range[1]), Number(range[2]) + 1) : object;
    if (range && bytes.length === 0) return fail(416, 'InvalidRange');
    response.writeHead(range ? 206 : 200, { 'content-length': bytes.length });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  /** Away: nobody listens on its port. */
  async leave() {
    await this.stop();
  }

  async comeBack() {
    this.server = createServer((request, response) => this.#answer(request, response).catch(() => response.destroy()));
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
  }
}
