// The API's description as a page, made from /openapi.json.

import { byId, make } from "./element.js";

const description = await (await fetch("/openapi.json")).json();

const resolve = (schema) => (schema?.$ref ? description.components.schemas[schema.$ref.split("/").at(-1)] : (schema ?? {}));

function fields(operation) {
  const found = (operation.parameters ?? []).map((one) => [`${one.name} (query)`, one.description ?? ""]);
  const body = Object.entries(operation.requestBody?.content ?? {})[0];
  for (const [name, schema] of Object.entries(resolve(body?.[1].schema).properties ?? {})) {
    found.push([`${name} (form)`, schema.description ?? ""]);
  }
  return found.length ? make("dl", {}, ...found.flatMap(([name, words]) => [make("dt", {}, name), make("dd", {}, words)])) : "";
}

function example(path, method, operation) {
  const files = resolve(Object.values(operation.requestBody?.content ?? {})[0]?.schema).properties ?? {};
  const field = "files" in files ? "files" : "file" in files ? "file" : null;
  const sent = field ? ` -F ${field}=@bird.jpg` : "";
  const say = "label" in files ? " -F label='Osmere Reedchat'" : "";
  return make("pre", { tabindex: "0" }, make("code", {}, `curl${method === "post" && !sent ? " -X POST" : ""}${sent}${say} ${location.origin}${path}`));
}

for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const answer = operation.responses["200"]?.content?.["application/json"]?.example;
    const failures = Object.entries(operation.responses).filter(([status]) => status !== "200");
    byId("routes").append(make(
      "section", { class: "card" },
      make("h2", {}, make("span", { class: "method" }, method.toUpperCase()), make("code", {}, path)),
      make("p", {}, operation.description ?? operation.summary ?? ""),
      fields(operation),
      example(path, method, operation),
      answer ? make("details", {}, make("summary", {}, "An answer"), make("pre", { tabindex: "0" }, make("code", {}, JSON.stringify(answer, null, 2)))) : "",
      failures.length ? make("details", {}, make("summary", {}, "Other statuses"), make("dl", {}, ...failures.flatMap(([status, one]) => [make("dt", {}, status), make("dd", {}, one.description)]))) : "",
    ));
  }
}
