// The official OpenAI SDK for Node, unmodified, through every scene that a test names.
// Usage: node scenes.mjs < {"url": ..., "key": ..., "bodyLimit": ...}; prints one JSON object
// that maps each scene to what it saw, or to {"failed": message}.

import { readFileSync } from "node:fs";
import OpenAI from "openai";

const { url, key, bodyLimit } = JSON.parse(readFileSync(0, "utf8"));
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 20_000 });

const say = (text) => [{ role: "user", content: text }];
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, unit: { type: "string" } },
      required: ["city", "unit"],
      additionalProperties: false,
    },
    strict: true,
  },
};
const time = {
  type: "function",
  function: {
    name: "get_time",
    parameters: {
      type: "object",
      properties: { zone: { type: "string" } },
      required: ["zone"],
      additionalProperties: false,
    },
    strict: true,
  },
};
const person = {
  type: "json_schema",
  json_schema: {
    name: "person",
    strict: true,
    schema: {
      type: "object",
      properties: {
        name: { type: "string" },
        age: { type: "integer" },
        languages: { type: "array", items: { type: "string" } },
      },
      required: ["name", "age", "languages"],
      additionalProperties: false,
    },
  },
};

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return {
      error: error.constructor.name,
      status: error.status ?? null,
      code: error.code ?? null,
      param: error.param ?? null,
      type: error.type ?? null,
    };
  }
  return { error: null };
}

const create = (body, options) => client.chat.completions.create(body, options);

const scenes = {
  async chat() {
    const { data, response } = await create({
      model: "chat",
      messages: say("[plain] What is six times seven? 🙂"),
    }).withResponse();
    return {
      content: data.choices[0].message.content,
      finish: data.choices[0].finish_reason,
      tokens: data.usage.total_tokens,
      federation: [...response.headers.keys()].some((name) => name.startsWith("x-federation-")),
    };
  },

  async stream() {
    const pieces = [];
    let usages = 0;
    const stream = await create({ model: "chat", messages: say("[plain] hi"), stream: true });
    for await (const chunk of stream) {
      pieces.push(chunk.choices[0].delta.content ?? null);
      usages += chunk.usage ? 1 : 0;
    }
    return { pieces, usages };
  },

  async usageInStream() {
    let last;
    const stream = await create({
      model: "chat",
      messages: say("[plain] hi"),
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of stream) last = chunk;
    return { choices: last.choices.length, tokens: last.usage.total_tokens };
  },

  async tools() {
    const done = await create({
      model: "chat",
      messages: say("[tools] weather and time?"),
      tools: [weather, time],
    });
    return {
      finish: done.choices[0].finish_reason,
      calls: done.choices[0].message.tool_calls.map((call) => [
        call.id,
        call.function.name,
        call.function.arguments,
      ]),
    };
  },

  async streamedTools() {
    const deltas = [];
    const stream = client.chat.completions
      .stream({ model: "chat", messages: say("[tools] weather and time?"), tools: [weather, time] })
      .on("tool_calls.function.arguments.delta", (event) => deltas.push(event.arguments_delta));
    const done = await stream.finalChatCompletion();
    return {
      deltas: deltas.length,
      calls: done.choices[0].message.tool_calls.map((call) => [
        call.id,
        call.function.name,
        call.function.arguments,
      ]),
    };
  },

  async toolRunner() {
    const asked = [];
    const runner = client.chat.completions.runTools({
      model: "chat",
      messages: say("[result] weather?"),
      tools: [
        {
          type: "function",
          function: {
            function: (given) => asked.push(given),
            parse: JSON.parse,
            name: "get_weather",
            description: "The weather in a city.",
            parameters: weather.function.parameters,
          },
        },
      ],
    });
    return { content: await runner.finalContent(), asked: asked.length };
  },

  async vision() {
    const done = await create({
      model: "chat",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "[vision] What is on these?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
            { type: "image_url", image_url: { url: "https://example.com/cat.png" } },
          ],
        },
      ],
    });
    return { content: done.choices[0].message.content };
  },

  async structured() {
    const done = await client.chat.completions.parse({
      model: "chat",
      messages: say("[person] Who was first?"),
      response_format: person,
    });
    return { content: JSON.parse(done.choices[0].message.content) };
  },

  async models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    const one = await client.models.retrieve(names[0]);
    return { found: one.id === names[0], names };
  },

  badRequest: () =>
    refused(create({ model: "chat", messages: say("[bad] x"), reasoning_effort: "purple" })),
  wrongType: () =>
    refused(create({ model: "chat", messages: say("[plain] x"), temperature: "hot" })),
  unknownModel: () => refused(create({ model: "no-such-model", messages: say("x") })),
  wrongKey: () =>
    refused(
      client
        .withOptions({ apiKey: "fed_wrong" })
        .chat.completions.create({ model: "chat", messages: say("x") }),
    ),
  tooLarge: () => refused(create({ model: "chat", messages: say("x".repeat(bodyLimit + 1)) })),
  limited: () => refused(create({ model: "frail", messages: say("[limited] x") })),
  broken: () => refused(create({ model: "frail", messages: say("[broken] x") })),
  brokenStream: () =>
    refused(create({ model: "frail", messages: say("[broken] x"), stream: true })),

  async severed() {
    const finishes = [];
    const outcome = await refused(
      (async () => {
        const stream = await create({
          model: "frail",
          messages: say("[sever] x"),
          stream: true,
        });
        for await (const chunk of stream) finishes.push(chunk.choices[0].finish_reason);
      })(),
    );
    return { failed: outcome.error !== null, finished: finishes.some(Boolean) };
  },

  timeout: () =>
    refused(create({ model: "chat", messages: say("[hang] node") }, { timeout: 500 })),

  async abortedStream() {
    const stream = await create({ model: "chat", messages: say("[drip] node"), stream: true });
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
    return refused(
      create({ model: "chat", messages: say("[hang] signal") }, { signal: abort.signal }),
    );
  },

  async many() {
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        create({ model: "chat", messages: say(`[plain] ${n}`), n: (n % 5) + 1 }),
      ),
    );
    return { counts: answers.map((answer) => answer.choices.length) };
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
