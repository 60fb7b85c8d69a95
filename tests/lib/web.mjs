// A stand-in for the web: a search engine of each kind, and a site whose pages do what pages do. Both note what they were asked.

import { once } from 'node:events';
import { createServer } from 'node:http';

/** A PDF of one page with these words, and its table of contents as the format wants it. */
export function pdfOf(words) {
  const content = `BT /F1 24 Tf 72 700 Td (${words}) Tj ET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ];
  let text = '%PDF-1.4\n';
  const places = objects.map((object, i) => {
    const place = text.length;
    text += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return place;
  });
  const start = text.length;
  text += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${places.map((place) => `${String(place).padStart(10, '0')} 00000 n \n`).join('')}`;
  return `${text}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`;
}

/** Writes the same piece again and again, until the other end has had enough or `most` bytes are gone. */
function pour(response, piece, most) {
  let bytes = 0;
  const more = () => {
    while (!response.destroyed && bytes < most) {
      bytes += piece.length;
      if (!response.write(piece)) return response.once('drain', more);
    }
    if (!response.destroyed) response.end();
  };
  more();
}

export class Web {
  /** `pages`: path → (request, response) => …; `engines`: kind → (request, response) => …, in place of the results. */
  static async start({ pages = {}, engines = {} } = {}) {
    const web = new Web();
    web.got = [];
    web.pages = pages;
    web.engines = engines;
    web.results = [{ title: 'A page', url: 'https://a.example/page', text: 'What it says', date: '2026-11-30' }];
    web.server = createServer(async (request, response) => {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      web.got.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(pieces).toString(), at: Date.now() });
      web.#answer(request, response);
    });
    web.server.on('clientError', (error, socket) => socket.destroy());
    web.server.listen(0, '127.0.0.1');
    await once(web.server, 'listening');
    web.port = web.server.address().port;
    web.host = `127.0.0.1:${web.port}`;
    web.url = `http://${web.host}`;
    return web;
  }

  #answer(request, response) {
    const path = request.url.split('?')[0];
    const kind = path === '/search' ? (request.method === 'POST' ? 'tavily' : 'searxng') : path === '/res/v1/web/search' ? 'brave' : null;
    response.on('error', () => {});
    if (kind) return (this.engines[kind] ?? this[kind]).call(this, request, response);
    if (this.pages[path]) return this.pages[path](request, response);
    if (path === '/robots.txt') return this.send(response, 404, 'text/plain', 'none');
    return this.send(response, 404, 'text/html', '<h1>Not found</h1>');
  }

  send(response, status, type, body, headers = {}) {
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(body);
  }

  json(response, value) {
    this.send(response, 200, 'application/json', JSON.stringify(value));
  }

  searxng(request, response) {
    this.json(response, { results: this.results.map(({ title, url, text, date }) => ({ title, url, content: text, publishedDate: date })), unresponsive_engines: [] });
  }

  brave(request, response) {
    this.json(response, { query: {}, web: { results: this.results.map(({ title, url, text, date }) => ({ title, url, description: text, page_age: date })) } });
  }

  tavily(request, response) {
    this.json(response, { results: this.results.map(({ title, url, text, date }) => ({ title, url, content: text, published_date: date })) });
  }

  /** Those of one path. */
  asked(path) {
    return this.got.filter((got) => got.url.split('?')[0] === path);
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** Pages for a site. */
export const page = (html, type = 'text/html; charset=utf-8') => (request, response) => {
  response.writeHead(200, { 'content-type': type });
  response.end(html);
};
export const redirect = (to, status = 302) => (request, response) => {
  response.writeHead(status, { location: to });
  response.end();
};
export const endless = (bytes) => (request, response) => {
  response.writeHead(200, { 'content-type': 'text/html' });
  pour(response, Buffer.from(`<p>${'word '.repeat(200)}</p>\n`.repeat(60)), bytes);
};
export const trickle = (request, response) => {
  response.writeHead(200, { 'content-type': 'text/html' });
  response.write('<p>it begins');
  const timer = setInterval(() => (response.destroyed ? clearInterval(timer) : response.write(' and goes on')), 200);
};
