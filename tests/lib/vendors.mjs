// All vendors' APIs, each at the rehearsal's side of it: what a stack needs for them.

/** Providers whose replies are streamed, beside those that are built in. Mistral's has its own name, by which its habits are known. */
export const config = `
providers:
  - {name: responses, kind: openai_responses, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal}
  - {name: responses-streamed, kind: openai_responses, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal, stream: true}
  - {name: openai-streamed, kind: openai_chat, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal, stream: true}
  - {name: deepseek-streamed, kind: openai_chat, base_url: '\${OPENAI_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal, stream: true}
  - {name: groq-streamed, kind: openai_chat, base_url: '\${GROQ_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal, stream: true}
  - {name: anthropic-streamed, kind: anthropic, base_url: '\${ANTHROPIC_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal, stream: true}
  - {name: google-streamed, kind: gemini, base_url: '\${GEMINI_BASE_URL:-http://127.0.0.1:1}', api_key: rehearsal, stream: true}
  - {name: ollama-streamed, kind: ollama, base_url: '\${OLLAMA_BASE_URL:-http://127.0.0.1:1}', stream: true}
models:
  - {name: mistral-streamed, provider: mistral, model: mistral-medium-latest, stream: true}
`;

/** Gives a bare stack the addresses and keys of all vendors, and starts a scheduler and a worker. */
export async function startWithVendors(stack) {
  Object.assign(stack.env, {
    ANTHROPIC_BASE_URL: `${stack.llmUrl}/v1`,
    DEEPSEEK_BASE_URL: `${stack.llmUrl}/v1`,
    GEMINI_BASE_URL: `${stack.llmUrl}/v1beta`,
    GROQ_BASE_URL: `${stack.llmUrl}/openai/v1`,
    MISTRAL_BASE_URL: `${stack.llmUrl}/mistral/v1`,
    OLLAMA_BASE_URL: stack.llmUrl,
  });
  for (const name of ['ANTHROPIC', 'DEEPSEEK', 'GEMINI', 'GROQ', 'MISTRAL']) stack.env[`${name}_API_KEY`] = 'rehearsal';
  await stack.startScheduler();
  await stack.startWorker();
}

/** An assistant with a calculator. OpenAI's Responses are asked for reasoning, since the worker asks for none of a model that it does not know to reason. */
export function assistantOf(stack, model) {
  return stack.assistant({ model, tools: [{ type: 'calculator' }], ...(model.startsWith('responses') && { reasoning_effort: 'low' }) });
}
