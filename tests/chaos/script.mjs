// The rehearsal LLM's script: what the words of a prompt make the model do, and which faults a tagged prompt meets.
//
// Faults belong to prompts, so that a seed decides which runs meet them, and only those may fail for them.

export const llmFaults = {
  limited: `{status: 429, headers: {retry-after: 1}}`,
  deferred: `{status: 429, headers: {retry-after: 3}}`, // too long to be waited for in a worker
  throttled: `{status: 429}`,
  broken: `{status: 500}`,
  overloaded: `{status: 529}`,
  stalled: `{stall: true}`,
  severed: `{text: 'never read to its end', close: 40}`,
  dropped: `{text: 'never seen', close: before}`,
  garbled: `{text: 'never understood', malformed: true}`,
};

const odds = { stalled: 0.15, garbled: 0.15 };

/** slowMs: [from, to] of the prompts that are slow. */
export function script(seed, toolsPort, slowMs) {
  const faults = Object.entries(llmFaults).map(
    ([name, then]) => `  - {name: ${name}, when: {user: '#${name}', probability: ${odds[name] ?? 0.3}}, then: ${then}}`,
  );
  const calculator = (expression) => `{calls: [{name: calculator, arguments: {expression: '${expression}'}}], delay_ms: [40, 300]}`;
  // PUT may be repeated with its key after a crash, POST may not.
  const http = (method, path) =>
    `{name: http_request, arguments: {method: ${method}, url: 'http://127.0.0.1:${toolsPort}/${path}?wait={{2}}', body: 'x'}}`;
  return `
seed: ${(Number(seed) % 1000000) + 1}
rules:
${faults.join('\n')}
  - name: calc 2
    when: {user: 'calc 2 of ([0-9]+)'}
    steps: [${calculator('{{1}} + 1')}, ${calculator('{{tool}} * 2')}, {text: 'It is {{tool}}.', delay_ms: [40, 300]}]
  - name: calc 4
    when: {user: 'calc 4 of ([0-9]+)'}
    steps:
      - ${calculator('{{1}} + 1')}
      - ${calculator('{{tool}} * 2')}
      - ${calculator('{{tool}} - 3')}
      - ${calculator('{{tool}} ^ 2')}
      - {text: 'It is {{tool}}.', delay_ms: [40, 300]}
  - name: tool
    when: {user: 'tool ([0-9]+) wait ([0-9]+)'}
    steps:
      - {calls: [${http('PUT', 'one/{{1}}')}], delay_ms: [40, 200]}
      - {text: 'Done: {{tool}}', delay_ms: [40, 200]}
  - name: tools
    when: {user: 'tools ([0-9]+) wait ([0-9]+)'}
    steps:
      - {calls: [${http('PUT', 'a/{{1}}')}, ${http('POST', 'b/{{1}}')}], delay_ms: [40, 200]}
      - {calls: [${http('POST', 'c/{{1}}')}, {name: calculator, arguments: {expression: '{{1}} * 7'}}], delay_ms: [40, 200]}
      - {text: 'Done.', delay_ms: [40, 200]}
  - name: tickets
    when: {user: 'tickets ([0-9]+) wait ([0-9]+)'}
    steps:
      - calls:
          - {name: ticket_create, arguments: '{"id": "{{1}}", "wait": {{2}}}'}
          - {name: order_lookup, arguments: '{"id": "{{1}}", "wait": {{2}}}'}
        delay_ms: [40, 200]
      - {text: 'Told: {{tool.1}} {{tool.2}}', delay_ms: [40, 200]}
  - name: nap
    when: {user: '^nap ([0-9]+)'}
    steps:
      - {calls: [{name: wait, arguments: '{"seconds": {{1}}}'}], delay_ms: [40, 200]}
      - {text: 'Rested. {{tool}}', delay_ms: [40, 200]}
  - name: ask and nap
    when: {user: 'ask and nap ([0-9]+)'}
    steps:
      - {calls: [{name: get_weather, arguments: {city: Oslo}}, {name: wait, arguments: '{"seconds": {{1}}}'}], delay_ms: [40, 200]}
      - {text: 'They say {{tool.1}}. {{tool.2}}', delay_ms: [40, 200]}
  - name: ask
    when: {user: 'ask'}
    steps:
      - {calls: [{name: get_weather, arguments: {city: Rome}}], delay_ms: [40, 200]}
      - {text: 'They say {{tool}}.', delay_ms: [40, 200]}
  - name: slow
    when: {user: 'slow ([0-9]+)'}
    steps:
      - {calls: [{name: calculator, arguments: {expression: '{{1}} * 3'}}], delay_ms: [${slowMs}]}
      - {text: 'After long thought: {{tool}}.', delay_ms: [${slowMs}]}
  - name: plain
    then: {text: 'Yes.', delay_ms: [40, 400]}
`;
}
