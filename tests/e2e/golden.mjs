// The golden requests of tests/golden as literals in TypeScript, each against the type that an official SDK has for the body of
// such a request. A literal may have no member that its type does not know: what no vendor documents does not pass.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../golden');

// Google's SDK has types for the parts of a body and none for the whole: it puts the body together from its own parameters, and
// golden.test.mjs compares the names of the members with those that it sends. What is an enum there is its word on the wire.
const gemini = `
import type { Content, EmbedContentConfig, GenerationConfig, Tool, ToolConfig } from '@google/genai';
type Wire<T> = T extends string ? \`\${T}\` : T extends (infer Item)[] ? Wire<Item>[] : T extends object ? { [Name in keyof T]: Wire<T[Name]> } : T;
interface Body {
  contents: Wire<Content>[];
  systemInstruction?: Wire<Content>;
  tools?: Wire<Tool>[];
  toolConfig?: Wire<ToolConfig>;
  generationConfig?: Wire<GenerationConfig>;
}
interface Embedding {
  requests: (Pick<EmbedContentConfig, 'outputDimensionality' | 'taskType' | 'title'> & { model: string; content: Wire<Content> })[];
}`;

const openai = `import type OpenAI from 'openai-v7';`;

/** Who judges the files of a folder: what its type needs in front, and the types of conversations and of embeddings. */
export const judges = {
  openai_chat: [{ sdk: 'openai', head: openai, chat: 'OpenAI.ChatCompletionCreateParams', embedding: 'OpenAI.EmbeddingCreateParams' }],
  'openai_chat/groq': [{ sdk: 'groq-sdk', head: `import type { ChatCompletionCreateParams } from 'groq-sdk/resources/chat/completions';`, chat: 'ChatCompletionCreateParams' }],
  openai_responses: [{ sdk: 'openai', head: openai, chat: 'OpenAI.Responses.ResponseCreateParams' }],
  anthropic: [
    { sdk: 'anthropic-v0', head: `import type Anthropic from 'anthropic-v0';`, chat: 'Anthropic.MessageCreateParams' },
    { sdk: '@anthropic-ai/sdk', head: `import type Anthropic from '@anthropic-ai/sdk';`, chat: 'Anthropic.MessageCreateParams' },
  ],
  gemini: [{ sdk: '@google/genai', head: gemini, chat: 'Body', embedding: 'Embedding' }],
  ollama: [{ sdk: 'ollama', head: `import type { ChatRequest, EmbedRequest } from 'ollama';`, chat: 'ChatRequest', embedding: 'EmbedRequest' }],
};
for (const server of ['deepseek', 'mistral', 'openrouter', 'vllm', 'llama_cpp', 'lm_studio', 'mlx']) judges[`openai_chat/${server}`] = judges.openai_chat;
judges['gemini/gemini_2.5'] = judges.gemini;

/** All files: { name, folder, text }. */
export function goldenFiles() {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ name: relative(root, path), folder: relative(root, dirname(path)), text: readFileSync(path, 'utf8') }));
}

/** The source of a module that says that a text is of the type that the judge has for a file of that name. */
export function moduleOf(judge, name, text) {
  const type = name.endsWith('/embedding.json') ? judge.embedding : judge.chat;
  return `${judge.head}\nexport const body: ${type} = ${text};\n`;
}

/** Takes what a path ("messages[].name") leads to off a value, in each item of a list. Returns how often it was there. */
export function takeOff(value, path) {
  const [step, ...rest] = path.split('.');
  const name = step.replace(/\[\]$/, '');
  if (typeof value !== 'object' || value === null || !(name in value)) return 0;
  if (step !== name) return value[name].reduce((sum, item) => sum + takeOff(item, rest.join('.')), 0);
  if (rest.length > 0) return takeOff(value[name], rest.join('.'));
  delete value[name];
  return 1;
}

/** Compiles modules ({ key: source }) at once, and gives what the compiler says of each: { key: [sentence] }. */
export function compile(modules) {
  const options = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const keys = Object.keys(modules);
  const paths = keys.map((key, i) => join(here, `golden-${i}.ts`)); // of this folder, for its packages; they are never written
  const sources = new Map(paths.map((path, i) => [path, modules[keys[i]]]));
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => sources.has(path) || fileExists(path);
  host.readFile = (path) => sources.get(path) ?? readFile(path);
  host.getSourceFile = (path, ...more) =>
    sources.has(path) ? ts.createSourceFile(path, sources.get(path), ...more) : getSourceFile(path, ...more);
  const program = ts.createProgram(paths, options, host);
  return Object.fromEntries(
    keys.map((key, i) => {
      const file = program.getSourceFile(paths[i]);
      const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
      return [key, found.map((one) => sentence(file, one))];
    }),
  );
}

function sentence(file, diagnostic) {
  const line = file.text.split('\n')[file.getLineAndCharacterOfPosition(diagnostic.start).line].trim();
  return `${line}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`;
}
