// The document of the API and the page that shows it, as they are served.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withStack } from '../lib/stack.mjs';

test('the document is had without a key, and not twice', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const got = await fetch(`${stack.url}/v1/openapi.json`);
    assert.equal(got.status, 200);
    assert.equal(got.headers.get('content-type'), 'application/json');
    const document = await got.json();
    assert.equal(document.openapi, '3.1.0');
    const ids = Object.values(document.paths).flatMap((path) => ['get', 'post', 'put', 'delete'].map((method) => path[method]?.operationId).filter(Boolean));
    assert.ok(ids.length > 50);
    assert.equal(new Set(ids).size, ids.length, 'each operation has an id of its own');
    const create = document.components.schemas.AssistantCreate;
    assert.equal(create.properties.model.maxLength, 256, 'which the table of bodies alone says');
    assert.equal(document.paths['/v1/assistants'].post.requestBody.content['application/json'].schema.unevaluatedProperties, false);

    const tag = got.headers.get('etag');
    for (const header of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
      const again = await fetch(`${stack.url}/v1/openapi.json`, { headers: { 'if-none-match': header } });
      assert.deepEqual([again.status, await again.text()], [304, ''], header);
    }
    assert.equal((await fetch(`${stack.url}/v1/openapi.json`, { headers: { 'if-none-match': '"other"' } })).status, 200);
    assert.equal((await fetch(`${stack.url}/v1/openapi.json`, { method: 'POST' })).status, 405);
    assert.equal((await fetch(`${stack.url}/v1/openapi.json?x=1`)).status, 400);
    assert.equal((await fetch(`${stack.url}/v1/threads`)).status, 401, 'all else needs one');
  });
});

test('the page and its parts are as small as they are packed, and may take nothing from elsewhere', async () => {
  await withStack({ workers: 0 }, async (stack) => {
    const page = await fetch(`${stack.url}/docs`);
    assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.match(page.headers.get('content-security-policy'), /^default-src 'none'; script-src 'self'; style-src 'self';/);
    const html = await page.text();
    const parts = [...html.matchAll(/(?:src|href)="([^":]+)"/g)].map(([, path]) => path);
    assert.deepEqual(parts, ['docs/swagger-ui.css', 'v1/openapi.json', 'docs/swagger-ui-bundle.js', 'docs/start.js']);
    for (const part of parts) {
      const got = await fetch(`${stack.url}/${part}`);
      assert.equal(got.status, 200, part);
      assert.equal(got.headers.get('x-content-type-options'), 'nosniff');
      if (part.includes('swagger')) assert.equal(got.headers.get('content-encoding'), 'gzip');
      assert.ok((await got.text()).length > 100, part);
    }
  });
});
