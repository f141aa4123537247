// The Responses API of the official OpenAI SDK for Node, unmodified, through every scene that a
// test names. Usage: node scenes_responses.mjs < {"url": ..., "key": ...}; prints one JSON object
// that maps each scene to what it saw, or to {"failed": message}.

import { readFileSync } from "node:fs";
import OpenAI from "openai";

const { url, key } = JSON.parse(readFileSync(0, "utf8"));
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 20_000 });

const ask = (input, more = {}) => ({ model: "chat", input, ...more });
const tool = (name, ...keys) => ({
  type: "function",
  name,
  strict: true,
  parameters: {
    type: "object",
    properties: Object.fromEntries(keys.map((key) => [key, { type: "string" }])),
    required: keys,
    additionalProperties: false,
  },
});
const tools = [tool("get_weather", "city", "unit"), tool("get_time", "zone")];
const calls = (response) =>
  response.output
    .filter((item) => item.type === "function_call")
    .map((item) => [item.call_id, item.name, item.arguments]);

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return { error: error.constructor.name, status: error.status ?? null };
  }
  return { error: null };
}

const scenes = {
  async response() {
    const done = await client.responses.create(ask("[plain] hi 🙂", { instructions: "Brief." }));
    return {
      text: done.output_text,
      status: done.status,
      tokens: done.usage.total_tokens,
      cached: done.usage.input_tokens_details.cached_tokens,
    };
  },

  async stream() {
    const words = [];
    const stream = client.responses
      .stream(ask("[plain] hi"))
      .on("response.output_text.delta", (event) => words.push(event.delta));
    const done = await stream.finalResponse();
    return { text: words.join(""), final: done.output_text, status: done.status };
  },

  async tools() {
    const done = await client.responses.create(
      ask("[tools] weather and time?", { tools, tool_choice: "required" }),
    );
    return { calls: calls(done) };
  },

  async streamedTools() {
    const stream = client.responses.stream(ask("[tools] weather and time?", { tools }));
    return { calls: calls(await stream.finalResponse()) };
  },

  async incomplete() {
    const done = await client.responses.create(ask("[cut] hi"));
    return { status: done.status, reason: done.incomplete_details.reason };
  },

  unknownModel: () => refused(client.responses.create(ask("x", { model: "no-such-model" }))),
  limited: () => refused(client.responses.create(ask("[limited] x", { model: "frail" }))),
  broken: () => refused(client.responses.create(ask("[broken] x", { model: "frail" }))),

  async severed() {
    const kinds = [];
    const outcome = await refused(
      (async () => {
        const stream = await client.responses.create(
          ask("[sever] x", { model: "frail", stream: true }),
        );
        for await (const event of stream) kinds.push(event.type);
      })(),
    );
    const told = kinds.includes("response.failed") || kinds.includes("error");
    return {
      failed: outcome.error !== null || told,
      completed: kinds.includes("response.completed"),
    };
  },

  timeout: () => refused(client.responses.create(ask("[hang] node"), { timeout: 500 })),
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
