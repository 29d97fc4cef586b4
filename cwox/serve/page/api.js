// The server's programming interface. The token is in the address once, and then this tab's.

const given = new URLSearchParams(location.hash.slice(1));
if (given.has("token")) {
  sessionStorage.setItem("cwox-token", given.get("token"));
  given.delete("token");
  history.replaceState(null, "", "#" + given);
}
const token = sessionStorage.getItem("cwox-token");

// Busy is the error of a server that has too much to do; after says in how many seconds to ask again.
export class Busy extends Error {
  constructor(message, after) {
    super(message);
    this.after = after;
  }
}

export async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token) headers.set("Authorization", "Bearer " + token);
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  if (response.ok) return response;
  let message = response.statusText;
  try {
    message = (await response.json()).error;
  } catch {
    // no JSON
  }
  if (response.status === 429) throw new Busy(message, Number(response.headers.get("Retry-After")) || 1);
  const error = new Error(message);
  error.status = response.status;
  throw error;
}

export const getJSON = async path => (await request(path)).json();

// patient asks again as long as the server has too much to do.
export async function patient(ask, wait, signal) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Busy)) throw error;
      wait(error.after);
      await new Promise(resolve => setTimeout(resolve, 1000 * error.after));
      signal?.throwIfAborted();
    }
  }
}

// explain puts a question and returns the job's id.
export async function explain(picture, settings, signal) {
  const form = new FormData();
  form.set("settings", JSON.stringify(settings));
  if (picture.file) form.set("image", picture.file, picture.name);
  else if (picture.of) form.set("of", picture.of);
  else form.set("example", picture.example);
  return (await (await request("api/explain", { method: "POST", body: form, signal })).json()).id;
}

// lines gives the lines of an answer as they come.
async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

// events gives what becomes of a job: [name, data].
export async function* events(id, signal) {
  let name = "";
  for await (const line of lines(await request(`api/jobs/${id}/events`, { signal }))) {
    if (line.startsWith("event: ")) name = line.slice(7);
    if (line.startsWith("data: ")) yield [name, JSON.parse(line.slice(6))];
  }
}

export const cancel = id => request("api/jobs/" + id, { method: "DELETE", keepalive: true }).catch(() => {});

// probe gives the probabilities under a mask, a byte a pixel of the network's input.
export const probe = async (id, mask, signal) =>
  (await request(`api/jobs/${id}/probe`, { method: "POST", body: mask, headers: { "Content-Type": "application/octet-stream" }, signal })).json();

// curve gives the points of a deletion curve as they come.
export async function* curve(id, map, signal) {
  const response = await request(`api/jobs/${id}/curve`, {
    method: "POST", body: JSON.stringify({ map }), headers: { "Content-Type": "application/json" }, signal,
  });
  for await (const line of lines(response)) if (line) yield JSON.parse(line);
}

// bitmap is a picture of the server.
export const bitmap = async path => createImageBitmap(await (await request(path)).blob());
