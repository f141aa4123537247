// The official Anthropic SDK for Node, unmodified, through every scene that a test names.
// Usage: node scenes_anthropic.mjs < {"url": ..., "key": ..., "bodyLimit": ...}; prints one JSON
// object that maps each scene to what it saw, or to {"failed": message}.

import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";

const { url, key, bodyLimit } = JSON.parse(readFileSync(0, "utf8"));
const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0, timeout: 20_000 });

const say = (text) => [{ role: "user", content: text }];
const ask = (text, more = {}) => ({ model: "chat", max_tokens: 100, messages: say(text), ...more });
const tools = [
  {
    name: "get_weather",
    description: "The weather in a city.",
    input_schema: {
      type: "object",
      properties: { city: { type: "string" }, unit: { type: "string" } },
      required: ["city", "unit"],
    },
  },
  {
    name: "get_time",
    input_schema: { type: "object", properties: { zone: { type: "string" } }, required: ["zone"] },
  },
];
const uses = (message) =>
  message.content
    .filter((block) => block.type === "tool_use")
    .map((block) => [block.id, block.name, block.input]);
const text = (message) =>
  message.content
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("");

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return {
      error: error.constructor.name,
      status: error.status ?? null,
      type: error.error?.error?.type ?? null,
    };
  }
  return { error: null };
}

const scenes = {
  async message() {
    const done = await client.messages.create(ask("[plain] Six times seven? 🙂", { system: "Brief." }));
    return {
      text: text(done),
      stop: done.stop_reason,
      usage: [
        done.usage.input_tokens,
        done.usage.cache_read_input_tokens,
        done.usage.output_tokens,
      ],
    };
  },

  async stream() {
    const words = [];
    const stream = client.messages.stream(ask("[plain] hi")).on("text", (word) => words.push(word));
    const done = await stream.finalMessage();
    return { text: words.join(""), final: text(done), stop: done.stop_reason };
  },

  async events() {
    const kinds = [];
    const stream = await client.messages.create(ask("[plain] hi", { stream: true }));
    for await (const event of stream) kinds.push(event.type);
    return { first: kinds[0], last: kinds[kinds.length - 1] };
  },

  async tools() {
    const done = await client.messages.create(
      ask("[tools] weather and time?", { tools, tool_choice: { type: "any" } }),
    );
    return { stop: done.stop_reason, uses: uses(done) };
  },

  async streamedTools() {
    let deltas = 0;
    const stream = client.messages
      .stream(ask("[tools] weather and time?", { tools }))
      .on("inputJson", () => (deltas += 1));
    const done = await stream.finalMessage();
    return { deltas, uses: uses(done) };
  },

  async toolResults() {
    const asked = say("[tools] weather and time?");
    const first = await client.messages.create({ ...ask(""), messages: asked, tools });
    const results = uses(first).map(([id]) => ({
      type: "tool_result",
      tool_use_id: id,
      content: "20",
    }));
    const messages = [
      ...asked,
      { role: "assistant", content: first.content },
      { role: "user", content: [...results, { type: "text", text: "[plain] And?" }] },
    ];
    return { text: text(await client.messages.create({ ...ask(""), messages, tools })) };
  },

  async thinking() {
    const done = await client.messages.create(
      ask("[think] hi", { max_tokens: 2000, thinking: { type: "enabled", budget_tokens: 1024 } }),
    );
    return { kinds: done.content.map((block) => block.type), thought: done.content[0].thinking };
  },

  async vision() {
    const content = [
      { type: "text", text: "[vision] What is on these?" },
      { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } },
      { type: "image", source: { type: "url", url: "https://example.com/cat.png" } },
    ];
    const messages = [{ role: "user", content }];
    return { text: text(await client.messages.create({ ...ask(""), messages })) };
  },

  async count() {
    const found = await client.messages.countTokens({ model: "chat", messages: say("hi") });
    return { counted: found.input_tokens > 0 };
  },

  async models() {
    const names = [];
    for await (const model of client.models.list({ limit: 2 })) names.push(model.id);
    const one = await client.models.retrieve(names[0]);
    return { found: one.id === names[0], names };
  },

  badRequest: () => refused(client.messages.create(ask("[bad] x"))),
  wrongType: () => refused(client.messages.create(ask("[plain] x", { temperature: "hot" }))),
  unknownModel: () => refused(client.messages.create(ask("x", { model: "no-such-model" }))),
  wrongKey: () =>
    refused(client.withOptions({ apiKey: "fed_wrong" }).messages.create(ask("[plain] x"))),
  tooLarge: () => refused(client.messages.create(ask("x".repeat(bodyLimit + 1)))),
  limited: () => refused(client.messages.create(ask("[limited] x", { model: "frail" }))),
  broken: () => refused(client.messages.create(ask("[broken] x", { model: "frail" }))),
  brokenStream: () =>
    refused(client.messages.create(ask("[broken] x", { model: "frail", stream: true }))),

  async severed() {
    let done = null;
    const outcome = await refused(
      (async () => {
        const stream = client.messages.stream(ask("[sever] x", { model: "frail" }));
        done = await stream.finalMessage();
      })(),
    );
    return { failed: outcome.error !== null, finished: done !== null };
  },

  timeout: () => refused(client.messages.create(ask("[hang] node"), { timeout: 500 })),

  async abortedStream() {
    const stream = await client.messages.create(ask("[drip] node", { stream: true }));
    let seen = 0;
    for await (const _ of stream) {
      seen += 1;
      if (seen === 3) break;
    }
    return { seen };
  },

  async abortedBySignal() {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 300);
    return refused(client.messages.create(ask("[hang] signal"), { signal: abort.signal }));
  },
};

const seen = {};
for (const [name, play] of Object.entries(scenes)) {
  try {
    seen[name] = await play();
  } catch (error) {
    seen[name] = { failed: `${error.constructor.name}: ${error.message}` };
  }
}
console.log(JSON.stringify(seen));
