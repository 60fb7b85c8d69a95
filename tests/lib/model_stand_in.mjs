// A model that answers as a function of the test says: for what no script can know beforehand.

import { once } from 'node:events';
import { createServer } from 'node:http';

/**
 * An OpenAI-like server. `answer(body)` gives a text, a message ({content, tool_calls}), {status, body} of a failure, or a promise of these; what it
 * was asked is in `requests`.
 */
export async function startModel(answer) {
  const model = { requests: [] };
  model.server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text);
    model.requests.push(body);
    const given = await answer(body);
    if (response.destroyed) return;
    response.setHeader('content-type', 'application/json');
    if (given.status) {
      response.statusCode = given.status;
      response.end(JSON.stringify(given.body ?? { error: { message: 'no', type: 'server_error' } }));
      return;
    }
    const message = typeof given === 'string' ? { content: given } : given;
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
    const choice = { index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason: message.tool_calls ? 'tool_calls' : 'stop' };
    response.end(JSON.stringify({ id: 'x', object: 'chat.completion', model: body.model, choices: [choice], usage }));
  });
  model.server.listen(0, '127.0.0.1');
  await once(model.server, 'listening');
  model.url = `http://127.0.0.1:${model.server.address().port}/v1`;
  model.close = () => {
    model.server.closeAllConnections();
    model.server.close();
  };
  return model;
}

/** A call of a tool, as a message of the model. */
export const calling = (name, args, id = 'call_1') => ({ tool_calls: [{ id, type: 'function', function: { name, arguments: JSON.stringify(args) } }] });
