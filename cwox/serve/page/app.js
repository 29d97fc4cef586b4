// The page: what is asked, what is answered, and what is looked at.

import * as api from "./api.js";
import { board, draggable, scaleOf } from "./board.js";
import { between, draw } from "./curve.js";
import { $, debounced, el, letter, percent, same } from "./dom.js";
import { decode, ramp } from "./maps.js";
import * as settings from "./settings.js";
import { Stage } from "./stage.js";
import { tree } from "./tree.js";

let model;
let state = settings.read(); // the settings that are not the defaults
let picture = null; // {name, example or file, of: a job about it, key: of the address}
let chosen = null; // the map that is looked at: {pane, name}
let probed = null; // probabilities of the explained classes as the picture is now; null as it was
const names = c => model.labels[c] || "class " + c;

// pane is one of the two answers beside each other.
const pane = compared => ({ compared, asked: null, id: null, answer: null, maps: null, state: "", text: "", done: 0, controller: null });
const panes = [pane(false)];

const alertOf = message => {
  $("alert").hidden = !message;
  $("alert").textContent = message || "";
};

// guarded shows what goes wrong.
const guarded = call => async (...args) => {
  try {
    return await call(...args);
  } catch (error) {
    if (error.name !== "AbortError") alertOf(error.message);
  }
};

// --- what is asked

function question(p) {
  const { compare, own, map, ...asked } = state;
  if (p.compared) asked[model.methods.includes(compare) ? "method" : "explainer"] = compare;
  return settings.question(asked, model);
}

const isSlow = p => settings.slow(question(p).explainer ?? model.settings.explainer);

// refresh asks what has changed: at once what takes a moment, the rest when somebody says so.
function refresh(force = false) {
  if (state.compare && panes.length < 2) panes.push(pane(true));
  if (!state.compare && panes.length > 1) stop(panes.pop());
  if (!picture) return;
  for (const p of panes) {
    const asked = JSON.stringify(question(p));
    if (p.asked === asked && !force) continue;
    if (isSlow(p) && !force && p.answer) {
      p.state = "outdated";
      continue;
    }
    run(p, asked);
  }
  show();
}
const refreshSoon = debounced(150, refresh);

function stop(p) {
  p.controller?.abort();
  if (p.id && p.state === "running") api.cancel(p.id);
}

const run = guarded(async (p, asked) => {
  stop(p);
  const controller = p.controller = new AbortController(), { signal } = controller;
  Object.assign(p, { asked, state: "running", text: "", done: 0, id: null });
  show();
  const from = performance.now();
  try {
    p.id = await ask(p, signal);
    if (!picture.photo) loadPhoto(p.id);
    for await (const [event, data] of api.events(p.id, signal)) {
      if (event === "queued") p.text = data.ahead ? `${data.ahead} before you` : "";
      if (event === "progress") Object.assign(p, { done: data.done / data.total, text: data.total > 50 ? `${data.done} of ${data.total}` : "" });
      if (event === "failed") throw new Error(data.error);
      if (event === "cancelled") {
        Object.assign(p, { state: "cancelled", asked: null });
        break;
      }
      if (event === "partial" || event === "done") {
        const { input } = model;
        const maps = await decode(data.maps, input.width, input.height);
        signal.throwIfAborted();
        Object.assign(p, { answer: data, maps, points: null, shownBy: p.id, final: event === "done" });
        if (event === "done") p.state = "";
        if (!p.compared && !picture.key) picture.key = "sha256:" + data.image.sha256.slice(0, 16);
        await picture.photo;
        answered(p);
        performance.measure(event, { start: from });
        if (event === "done") break;
      } else progress();
    }
  } catch (error) {
    if (error.name === "AbortError") return;
    Object.assign(p, { state: "failed", asked: null });
    throw error;
  } finally {
    if (p.controller === controller) show();
  }
});

// ask sends the picture, or says which one is meant if the server has it.
async function ask(p, signal) {
  const send = what => api.patient(() => api.explain(what, question(p), signal), after => {
    p.text = `the server is busy, asking again in ${after} s`;
    progress();
  }, signal);
  if (picture.of && picture.file) {
    try {
      return await send({ of: picture.of });
    } catch (error) {
      if (error.status !== 404) throw error;
    }
  }
  return send(picture);
}

function loadPhoto(id) {
  const mine = picture;
  mine.of = id;
  mine.photo = api.bitmap(`api/jobs/${id}/picture`).then(photo => (mine.bitmap = photo));
  mine.photo.catch(error => alertOf(error.message));
}

const change = next => {
  alertOf("");
  if (next === null) {
    state = {};
  } else if (next.add) {
    const c = find(next.add);
    if (c < 0) return alertOf(`No class is called “${next.add}”.`);
    const clusters = panes[0].answer?.clusters.map(k => k.classes) ?? [];
    if (clusters.flat().includes(c)) return alertOf(`${names(c)} is explained already.`);
    state.clusters = [...clusters, [c]];
  } else {
    Object.assign(state, next);
    if ("top" in next || "cumulative" in next || "level" in next) state.clusters = null;
  }
  settings.write(state, picture?.key);
  form();
  "own" in (next ?? {}) ? show() : (mark(), refreshSoon());
};

const mark = () => panes.forEach(p => { if (p.answer && p.asked !== JSON.stringify(question(p))) p.state = "outdated"; }) || status();

function find(text) {
  const wanted = text.trim().toLowerCase();
  const i = model.labels.findIndex(l => l.toLowerCase() === wanted);
  return i >= 0 ? i : /^\d+$/.test(wanted) && Number(wanted) < model.classes ? Number(wanted) : -1;
}

// recluster asks for other clusters of the explained classes.
function recluster(clusters) {
  state.clusters = clusters.filter(k => k.length);
  settings.write(state, picture.key);
  mark();
  refresh();
}
const clustersNow = () => panes[0].answer.clusters.map(k => k.classes);
const move = (c, to) => {
  const clusters = clustersNow().map(k => k.filter(x => x !== c));
  if (to < 0) clusters.push([c]);
  else clusters[to].push(c);
  say(`${names(c)} moved to ${to < 0 ? "a cluster of its own" : "cluster " + letter(to)}`);
  recluster(clusters);
};
const drop = c => recluster(clustersNow().map(k => k.filter(x => x !== c)));

const form = () => settings.form($("settings"), model, state, change);

// --- the picture

const open = guarded(async next => {
  alertOf("");
  panes.forEach(stop);
  panes.forEach(p => Object.assign(p, { asked: null, answer: null, maps: null, points: null }));
  const fresh = picture !== null;
  if (fresh && state.clusters) state.clusters = null; // of the classes of another picture
  picture = next;
  chosen = probed = null;
  settings.write(state, picture.key);
  for (const b of document.querySelectorAll("#examples button")) {
    b.setAttribute("aria-pressed", String(b.dataset.n === String(picture.example)));
    if (b.dataset.n === String(picture.example)) b.parentElement.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  refresh(true);
});

const openFile = file => open({ name: file.name || "pasted.png", file });

// --- the answer

function answered(p) {
  if (!p.compared) {
    const { answer } = p;
    if (stage.photo !== picture.bitmap) {
      const s = answer.input?.seen, { width, height } = answer.image;
      stage.show(picture.bitmap, s ? { x: s.x / width, y: s.y / height, width: s.width / width, height: s.height / height } : { x: 0, y: 0, width: 1, height: 1 }, model.input.height, model.input.width);
    }
    if (stage.erased) probe(stage.mask, performance.now());
  }
  if (!chosen || !panes.includes(chosen.pane) || !chosen.pane.maps?.[chosen.name]) {
    chosen = panes[0].maps ? { pane: panes[0], name: ["cluster/0", "class/" + panes[0].answer.top[0].class].find(n => panes[0].maps[n]) ?? Object.keys(panes[0].maps)[0] } : null;
  }
  $("cut").value = 0;
  show();
}

function show() {
  const first = panes[0];
  document.body.classList.toggle("empty", !first.answer);
  document.body.classList.toggle("two", panes.length > 1);
  $("save").disabled = $("link").disabled = !first.answer || !first.final;
  status();
  progress();
  if (!first.answer || !stage.photo) return;
  $("drop-hint").hidden = true;
  const focus = document.activeElement?.closest("[data-map]")?.dataset.map;
  $("board").replaceChildren(...panes.map(p => el("div", { class: "pane" + (p.state === "outdated" ? " outdated" : ""), "data-pane": panes.indexOf(p) },
    panes.length > 1 ? el("h2", {}, p.answer ? `${settings.nameOf(p.answer.method)}, ${settings.nameOf(p.answer.explainer.name)}` : "…") : null,
    p.answer ? board(p.answer, p.maps, ui(p)) : el("p", { class: "soft" }, "being explained"),
    p.compared ? [] : el("div", { class: "new-cluster", "aria-hidden": "true" }, "drop here for a cluster of its own"))));
  if (focus) document.querySelector(`[data-map="${focus}"] button`)?.focus({ preventScroll: true });
  const { answer } = first;
  $("tree-box").hidden = !answer.levels || answer.top.length < 2;
  if (!$("tree-box").hidden) $("tree").replaceChildren(tree(answer.levels, answer, clustersNow(), names, recluster));
  if (state.clusters && answer.levels?.length && !same(state.clusters, answer.levels[0])) {
    $("tree").append(el("button", { type: "button", onclick: () => { state.clusters = null; change({}); } }, "Back to the tree's clusters"));
  }
  look();
}

const ui = p => ({
  stage, names, shared: state.own !== "1", chosen: chosen?.pane === p ? chosen.name : null,
  move: p.compared ? null : move, drop,
  choose(name) {
    chosen = { pane: p, name };
    $("cut").value = 0;
    show();
  },
});

// look shows the chosen map, and the probabilities.
function look() {
  const heat = chosen?.pane.maps[chosen.name];
  stage.heat = heat && heat.max ? heat : null;
  stage.scale = heat ? scaleOf(chosen.pane.maps, chosen.name, state.own !== "1") : 1;
  stage.cut = null;
  const what = chosen ? title(chosen) : "";
  $("stage").setAttribute("aria-label", `${picture.name}, ${what}`);
  const { unseen } = panes[0].answer.input ?? {};
  $("caption").textContent = `${picture.name}: ${what}.` + (unseen > 0.005 ? ` The network does not see ${percent(unseen)} of the picture (dark).` : "");
  $("curve-box").hidden = !chosen?.pane.final || !heat?.max;
  bars();
  cut();
  stage.draw();
}

function title({ pane: p, name }) {
  const [kind, id] = name.split("/");
  return kind === "class" ? "what speaks for " + names(Number(id)) : `what speaks for cluster ${letter(Number(id))} (${p.answer.clusters[id]?.classes.map(names).join(", ")})`;
}

function status() {
  const late = panes.filter(p => p.state === "outdated");
  const node = $("status");
  node.className = late.length ? "late" : "";
  const running = panes.some(p => p.state === "running");
  node.replaceChildren();
  if (late.length) {
    node.append("Outdated: the maps are of the settings before. ");
    if (late.some(isSlow)) node.append(el("button", { type: "button", id: "again", onclick: () => late.forEach(p => run(p, JSON.stringify(question(p)))) }, "Explain again"));
  } else if (running && panes[0].answer === null) node.append("Explaining …");
  else if (panes[0].answer) {
    const { answer } = panes[0], n = answer.clusters.length;
    node.append(`${answer.top.length === 1 ? "One class" : answer.top.length + " classes"} in ${n === 1 ? "one cluster" : n + " clusters"}.`);
    if (panes.some(p => p.state === "cancelled")) node.append(" Cancelled. ", el("button", { type: "button", id: "again", onclick: () => refresh() }, "Explain again"));
  }
  const notes = panes[0].answer?.warnings.filter(w => !["all-singletons", "single-class", "single-cluster", "not-resolved"].includes(w.code)) ?? [];
  if (notes.length && !late.length) node.append(el("details", {}, el("summary", {}, notes.length === 1 ? "1 note" : notes.length + " notes"), el("ul", {}, notes.map(w => el("li", {}, w.message)))));
}

function progress() {
  const p = panes.find(p => p.state === "running" && (p.text || isSlow(p)));
  $("work").hidden = !p;
  if (!p) return;
  if (p.done) $("progress").value = p.done;
  else $("progress").removeAttribute("value");
  $("work-text").textContent = p.text;
}
$("cancel").addEventListener("click", () => panes.filter(p => p.state === "running").forEach(p => p.id && api.cancel(p.id)));

// --- probabilities, as they are and as they become

const say = debounced(400, text => { $("live").textContent = text; });

function bars() {
  const { answer } = panes[0];
  const now = probed?.classes ?? null;
  const home = c => answer.clusters.findIndex(k => k.classes.includes(c));
  const old = new Map([...$("bars").children].map(li => [li.dataset.class, li]));
  const rows = answer.top.map((t, i) => {
    const p = now?.[i] ?? t.probability;
    const li = old.get(String(t.class)) ?? el("li", { "data-class": t.class }, el("span", { class: "name" }), el("span", { class: "track" }, el("i", { class: "was" }), el("i", { class: "is" })), el("span", { class: "num" }));
    li.className = "h" + home(t.class) % 6;
    li.children[0].textContent = names(t.class);
    li.children[1].children[0].style.width = 100 * t.probability + "%";
    li.children[1].children[1].style.width = 100 * p + "%";
    li.children[2].textContent = now ? `${percent(t.probability)} → ${percent(p)}` : percent(p);
    return li;
  });
  const there = $("bars").children;
  if (there.length !== rows.length || rows.some((li, i) => li !== there[i])) $("bars").replaceChildren(...rows);
  $("now").textContent = probed ? `with ${percent(probed.erased)} erased` : "";
  const others = probed?.top?.filter(t => !answer.top.some(x => x.class === t.class) && t.probability > 0.03) ?? [];
  $("others").textContent = others.length ? "New: " + others.map(t => `${names(t.class)} ${percent(t.probability)}`).join(", ") : "";
  $("reset").hidden = !stage.erased;
  if (probed) say(answer.top.map((t, i) => `${names(t.class)} ${percent(t.probability)} to ${percent(now[i])}`).join(", "));
}

// probe asks about the picture as the brush has left it: one question at a time, then the newest.
let asking = false, next = null;
async function probe(mask, since) {
  if (!panes[0].shownBy) return;
  if (asking) {
    next = [mask, since];
    return;
  }
  if (!stage.erased) {
    probed = null;
    bars();
    return;
  }
  asking = true;
  try {
    const answer = await api.probe(panes[0].shownBy, mask.slice());
    if (stage.erased) {
      probed = { classes: panes[0].answer.top.map(t => answer.classes.find(c => c.class === t.class)?.probability ?? 0), top: answer.top, erased: mask.reduce((n, v) => n + (v < 128), 0) / mask.length };
      bars();
      performance.measure("stroke", { start: since });
    }
  } catch (error) {
    if (error instanceof api.Busy) next ??= [mask, since];
    else alertOf(error.message);
  } finally {
    asking = false;
  }
  if (next) {
    const [m, s] = next;
    next = null;
    probe(m, s);
  }
}

// --- the deletion curve

let loading = null;
const share = () => ($("cut").value / 100) ** 2; // fine where it matters

const load = guarded(async () => {
  const { pane: p, name } = chosen;
  p.points ??= {};
  if (p.points[name] || loading === name) return;
  loading = name;
  try {
    const points = [];
    for await (const point of api.curve(p.shownBy, name)) {
      points.push(point);
      p.points[name] = points;
      if (chosen?.pane === p && chosen.name === name) cut();
    }
  } finally {
    loading = null;
  }
});

function cut() {
  const v = share(), points = chosen?.pane.points?.[chosen.name] ?? [];
  $("cut-out").textContent = percent(v).replace(/^0\.0 %$/, "0 %");
  if ($("curve-box").hidden) return;
  const { answer } = chosen.pane;
  const [kind, id] = chosen.name.split("/");
  draw($("curve"), points, answer.top.map((t, i) => ({
    name: names(t.class), hue: answer.clusters.findIndex(k => k.classes.includes(t.class)) % 6,
    main: kind === "class" ? t.class === Number(id) : answer.clusters[id]?.classes.includes(t.class), value: p => p.probabilities[i],
  })), v);
  if (v > 0 && points.length && points.at(-1).erased >= v) {
    const rank = ranks(chosen.pane.maps[chosen.name]), n = v * rank.length;
    stage.cut = i => rank[i] < n;
    const order = panes[0].answer.top.map(t => answer.top.findIndex(x => x.class === t.class));
    const p = between(points, v);
    probed = { classes: order.map(i => p[i] ?? 0), erased: v };
  } else {
    stage.cut = null;
    if (!stage.erased) probed = null;
  }
  bars();
  stage.draw();
}

// ranks are the places of pixels in the order of a heatmap, the strongest first.
function ranks(heat) {
  if (!heat.ranks) {
    const order = Uint32Array.from(heat.levels, (_, i) => i).sort((a, b) => heat.levels[b] - heat.levels[a] || a - b);
    heat.ranks = new Uint32Array(order.length);
    order.forEach((pixel, place) => (heat.ranks[pixel] = place));
  }
  return heat.ranks;
}
$("cut").addEventListener("input", () => { load(); cut(); });
$("cut").addEventListener("focus", () => load());

// --- the rest of the page

const stage = new Stage($("stage"), (mask, since) => {
  $("cut").value = 0;
  stage.cut = null;
  probe(mask, since);
}, place => {
  for (const p of panes) {
    if (!p.maps) continue;
    const root = document.querySelector(`[data-pane="${panes.indexOf(p)}"]`);
    for (const tile of root?.querySelectorAll("[data-map]") ?? []) {
      const heat = p.maps[tile.dataset.map];
      tile.querySelector(".here").textContent = place && heat?.max ? percent(heat.at(place)) + " of its maximum here" : "";
    }
  }
});
for (const radio of document.querySelectorAll("[name=tool]")) {
  radio.addEventListener("change", () => {
    stage.tool = radio.value;
    $("stage").dataset.tool = radio.value;
  });
}
$("brush").addEventListener("input", () => { stage.brush = Number($("brush").value); });
$("reset").addEventListener("click", () => stage.reset());
draggable($("board"), move);

$("file").addEventListener("change", () => { if ($("file").files[0]) openFile($("file").files[0]); $("file").value = ""; });
addEventListener("dragover", event => { event.preventDefault(); document.body.classList.add("dropping"); });
addEventListener("dragleave", event => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
addEventListener("drop", event => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  if (event.dataTransfer.files[0]) openFile(event.dataTransfer.files[0]);
});
addEventListener("paste", event => { if (event.clipboardData.files[0]) openFile(event.clipboardData.files[0]); });
addEventListener("pagehide", () => panes.forEach(stop));

$("link").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    $("link").textContent = "Copied";
    setTimeout(() => { $("link").textContent = "Copy link"; }, 1500);
  } catch {
    prompt("The address of this state:", location.href);
  }
});
$("save").addEventListener("click", guarded(async () => {
  const url = URL.createObjectURL(await (await api.request(`api/jobs/${panes[0].shownBy}/report.zip`)).blob());
  const a = el("a", { href: url, download: "report.zip" });
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}));

const theme = value => {
  if (value) document.documentElement.dataset.theme = value;
  else delete document.documentElement.dataset.theme;
  $("theme").value = value;
};
ramp($("ramp"));
theme(localStorage.getItem("cwox-theme") ?? "");
$("theme").addEventListener("change", () => {
  localStorage.setItem("cwox-theme", $("theme").value);
  theme($("theme").value);
});

addEventListener("hashchange", () => {
  state = settings.read();
  delete state.token;
  const key = state.picture;
  delete state.picture;
  form();
  const n = model.examples.indexOf(key);
  if (n >= 0 && n !== picture?.example) open({ name: key, example: n, key });
  else refresh();
});

// thumbnails draws those examples that somebody sees, one after the other.
function thumbnails() {
  const seen = [];
  const watch = new IntersectionObserver(entries => {
    for (const e of entries.filter(e => e.isIntersecting)) {
      watch.unobserve(e.target);
      if (seen.push(e.target) === 1) thumbnail();
    }
  });
  for (const button of document.querySelectorAll("#examples button")) watch.observe(button);

  async function thumbnail() {
    for (; seen.length; seen.shift()) {
      const [button] = seen;
      try {
        const photo = await api.bitmap("api/examples/" + button.dataset.n), k = Math.max(96 / photo.width, 72 / photo.height);
        button.firstChild.getContext("2d").drawImage(photo, (96 - k * photo.width) / 2, (72 - k * photo.height) / 2, k * photo.width, k * photo.height);
      } catch {
        button.disabled = true; // it cannot be read
      }
    }
  }
}

const begin = guarded(async () => {
  document.body.classList.add("empty");
  model = await api.getJSON("api/model");
  document.title = "cwox: " + model.name;
  $("model").textContent = `${model.name}, ${model.classes} classes. It sees a picture ${model.input.transform.split(",")[0]} pixels.`;
  $("version").textContent = `cwox ${model.version}, ${model.kernel}, ${model.precision}.`;
  const key = state.picture;
  delete state.picture;
  form();
  for (const [n, name] of model.examples.entries()) {
    const image = el("canvas", { width: 96, height: 72, "aria-hidden": "true" });
    $("examples").append(el("li", {}, el("button", { type: "button", "data-n": n, "aria-pressed": "false", title: name, onclick: () => open({ name, example: n, key: name }) }, image, el("span", {}, name))));
  }
  if (model.pages?.length) {
    await api.request("api/session", { method: "POST" });
    $("pages").hidden = false;
    $("pages").append("In the folder: ", ...model.pages.map(p => el("a", { href: "folder/" + p.path, target: "_blank", rel: "noopener" }, p.title)));
  }
  const n = key ? model.examples.indexOf(key) : model.examples.length ? 0 : -1;
  if (n >= 0) await open({ name: model.examples[n], example: n, key: model.examples[n] });
  else if (key?.startsWith("sha256:")) alertOf(`This link is about a picture that is not here (${key}…). Open the picture to see it with the link's settings.`);
  thumbnails();
});
begin();
