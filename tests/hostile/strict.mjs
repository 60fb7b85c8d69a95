// What is wrong with a request for a chat completion, judged as OpenAI's API judges it; null: nothing.

const word = (text, most) => typeof text === 'string' && new RegExp(`^[a-zA-Z0-9_-]{1,${most}}$`).test(text);

function isObjectText(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

const badText = (text) => /\p{Surrogate}/u.test(text) || text.includes('\u0000'); // half a character, or NUL

function badCall(call, seen) {
  if (typeof call !== 'object' || call === null || call.type !== 'function') return 'a call is no function call';
  if (!word(call.id, 40)) return `a call has the id ${JSON.stringify(call.id)?.slice(0, 60)}`;
  if (seen.has(call.id)) return `two calls have the id ${call.id}`;
  if (!word(call.function?.name, 64)) return `a call has the name ${JSON.stringify(call.function?.name)?.slice(0, 80)}`;
  if (typeof call.function.arguments !== 'string' || badText(call.function.arguments)) return 'the arguments of a call are no text';
  if (!isObjectText(call.function.arguments)) return `the arguments of a call are ${call.function.arguments.slice(0, 80)}`;
  seen.add(call.id);
  return null;
}

function badMessages(messages) {
  let open = new Set();
  for (const message of messages) {
    if (message.role === 'tool') {
      if (!open.delete(message.tool_call_id)) return `a result answers ${message.tool_call_id?.slice(0, 60)}, which nobody called just now`;
      if (typeof message.content !== 'string' || badText(message.content)) return 'a result is no text';
      continue;
    }
    if (open.size > 0) return `${open.size} calls have no result`;
    if (!['system', 'user', 'assistant'].includes(message.role)) return `a message has the role ${message.role}`;
    if (message.tool_calls !== undefined) {
      if (message.role !== 'assistant' || !Array.isArray(message.tool_calls) || message.tool_calls.length === 0) return 'tool_calls is no list, or empty';
      if (message.tool_calls.length > 128) return 'more than 128 calls in a message';
      open = new Set();
      for (const call of message.tool_calls) {
        const wrong = badCall(call, open);
        if (wrong) return wrong;
      }
      if (message.content === null) continue;
    }
    if (typeof message.content !== 'string' || badText(message.content)) return `the content of a message (${message.role}) is no text`;
    if (message.role === 'assistant' && message.content === '' && !message.tool_calls) return 'an assistant message says nothing';
  }
  return open.size > 0 ? `${open.size} calls have no result` : null;
}

export function wrongWith(bytes) {
  let request;
  try {
    request = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    return `it is no JSON: ${error.message}`;
  }
  const known = ['model', 'messages', 'tools', 'tool_choice', 'parallel_tool_calls', 'response_format', 'temperature', 'top_p', 'max_tokens', 'max_completion_tokens', 'reasoning_effort', 'stream'];
  const odd = Object.keys(request).filter((name) => !known.includes(name));
  if (odd.length > 0) return `it has unknown members: ${odd}`;
  if (request.stream !== false) return 'stream is not false';
  if (request.parallel_tool_calls !== undefined) return 'parallel_tool_calls is set, and nobody said so';
  if (!Array.isArray(request.messages) || request.messages.length === 0) return 'it has no messages';
  if (request.tools !== undefined) {
    if (!Array.isArray(request.tools) || request.tools.length === 0) return 'tools is no list, or empty';
    const bad = request.tools.find((tool) => tool.type !== 'function' || !word(tool.function?.name, 64));
    if (bad) return `a tool has the name ${bad.function?.name}`;
  } else if (request.tool_choice !== undefined) {
    return 'tool_choice without tools';
  } else if (request.messages.some((message) => message.tool_calls)) {
    return 'the messages have calls, and there are no tools';
  }
  return badMessages(request.messages);
}
