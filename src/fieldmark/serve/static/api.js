// Asks the service; every failure becomes a Problem with a code that the page has words for.

export class Problem extends Error {
  constructor(code, message = "", cure = "", wait = 0) {
    super(message);
    this.code = code;
    this.cure = cure;
    this.wait = wait;
  }
}

let key = sessionStorage.getItem("fieldmark-key") ?? "";

export function useKey(given) {
  key = given;
  sessionStorage.setItem("fieldmark-key", given);
}

async function ask(path, options = {}) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("offline");
  }
  let body = null;
  try {
    body = await answer.json();
  } catch {
    // told by the status below
  }
  if (answer.ok && body !== null) return body;
  const told = body?.error ?? {};
  throw new Problem(told.code ?? "bug", told.message, told.cure, Number(answer.headers.get("retry-after") ?? 0));
}

const query = (values) => {
  const kept = Object.entries(values).filter(([, value]) => value !== null && value !== "");
  return kept.length ? `?${new URLSearchParams(kept)}` : "";
};

function form(fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) data.append(name, value, value.name ?? "picture");
    else if (value !== null) data.append(name, value);
  }
  return data;
}

export const models = () => ask("/v1/models");
export const classes = (model) => ask(`/v1/classes${query({ model })}`);

export const predict = (file, model, signal) =>
  ask(`/v1/predict${query({ maps: "true", neighbours: "5", model })}`, { method: "POST", body: form({ files: file }), signal });

/** Ask for the name alone. */
export const name = (file, model, signal) =>
  ask(`/v1/predict${query({ model })}`, { method: "POST", body: form({ files: file }), signal });

export const explain = (file, versus, model, signal) =>
  ask(`/v1/explain${query({ versus, model })}`, { method: "POST", body: form({ file }), signal });

export const feedback = (fields, model) =>
  ask(`/v1/feedback${query({ model })}`, { method: "POST", body: form(fields) });
