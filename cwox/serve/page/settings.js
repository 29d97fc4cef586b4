// The settings: a form, and the part of the address that says them.

import { el } from "./dom.js";

const explainers = {
  gradcam: "Grad-CAM", mwp: "Excitation backprop (MWP)", rise: "RISE", lime: "LIME", guided: "Guided backprop", deeplift: "DeepLIFT",
};
const methods = {
  cwox2s: "CWOX-2s: clusters, then classes", cwox1sa: "CWOX-1s A: each against the rest", cwox1sb: "CWOX-1s B", swox: "SWOX: each by itself",
};
export const slow = explainer => explainer === "rise" || explainer === "lime";
export const nameOf = key => explainers[key] ?? methods[key].split(":")[0];

// owners are the explainers that a setting belongs to.
const owners = {
  "cluster-layer": ["gradcam", "mwp"], "class-layer": ["gradcam", "mwp"], "mwp-contrastive": ["mwp"],
  "rise-masks": ["rise"], "rise-cells": ["rise"], "rise-keep": ["rise"], "rise-quality": ["rise"],
  "lime-samples": ["lime"], "lime-superpixels": ["lime"], smooth: ["guided", "deeplift"],
};

// question are the settings to send: those that are set and belong to what is asked.
export function question(state, model) {
  const out = {};
  for (const [name, value] of Object.entries(state)) {
    if (value === "" || value === null || value === undefined) continue;
    const explainer = state.explainer || model.settings.explainer;
    if (owners[name] && !owners[name].includes(explainer)) continue;
    const reference = (state.variant || model.settings.variant) === "reference";
    const twoStages = (state.method || model.settings.method) === "cwox2s";
    if (name === "delta" && !(reference && twoStages) || name === "epsilon" && (reference || !twoStages)) continue;
    if ((name === "top" || name === "cumulative") && state.clusters) continue;
    if (name === "level" && state.clusters) continue;
    out[name] = ["top", "level"].includes(name) ? Number(value) : ["cumulative", "delta", "epsilon", "smooth"].includes(name) ? Number(value) : value;
  }
  return out;
}

// form draws the settings. change is called with those that changed.
export function form(root, model, state, change) {
  const now = name => state[name] ?? "";
  const set = model.settings;
  const select = (name, label, options, help) => field(label, el("select", { id: "s-" + name, onchange: e => change({ [name]: e.target.value }) },
    options.map(([value, text]) => el("option", { value, selected: (now(name) || set[name]) === value }, text))), help);
  const number = (name, label, attributes, help) => field(label, el("input", { id: "s-" + name, type: "number", value: now(name), placeholder: attributes.hint, ...attributes, onchange: e => e.target.reportValidity() && change({ [name]: e.target.value }) }), help);
  const text = (name, label, attributes, help) => field(label, el("input", { id: "s-" + name, type: "text", value: now(name), placeholder: attributes.hint, list: attributes.list ?? null, pattern: attributes.pattern ?? null, spellcheck: "false", onchange: e => e.target.reportValidity() && change({ [name]: e.target.value.trim() }) }), help);
  const explainer = state.explainer || set.explainer, variant = state.variant || set.variant, method = state.method || set.method;
  const layers = set.layers[explainer] ?? ["", ""];
  const labels = Array.from({ length: model.levels }, (_, i) => [String(i + 1), i ? `${i + 1}: coarser` : "1: finest"]);
  const parts = [
    el("fieldset", {}, el("legend", {}, "How many classes"),
      number("top", "At most", { min: 1, max: Math.min(model.limits.top, model.classes), hint: set.top !== "0" ? set.top : "5" }),
      model.output === "softmax" ? number("cumulative", "Until they make up", { min: 0.05, max: 0.999, step: "any", hint: set.cumulative !== "0" ? set.cumulative : "0.95" }, "probability, as 0.95") : null,
      field("Add a class", el("input", { id: "add", list: "labels", autocomplete: "off", onchange: e => { if (e.target.value) change({ add: e.target.value }); e.target.value = ""; } })),
      el("datalist", { id: "labels" }, model.labels.length > 3000 ? [] : model.labels.map((l, i) => el("option", { value: l || "class " + i }))),
      model.levels > 1 ? select("level", "Level of the tree", labels) : null),
    el("fieldset", {}, el("legend", {}, "How"),
      select("method", "Method", model.methods.toReversed().map(m => [m, methods[m]])),
      select("explainer", "Explainer", model.explainer.map(e => [e, explainers[e] ?? e])),
      owners["cluster-layer"].includes(explainer) ? [
        text("cluster-layer", "Layer, clusters", { list: "layers", hint: layers[0] }), text("class-layer", "Layer, classes", { list: "layers", hint: layers[1] }),
        el("datalist", { id: "layers" }, model.layers.map(l => el("option", { value: l })))] : null,
      explainer === "rise" ? [text("rise-masks", "Masks", { hint: "5000,3000", pattern: "\\d+(,\\d+)?" }, "clusters, classes"), select("rise-quality", "Estimator", model.qualities.map(q => [q, q]))] : null,
      explainer === "lime" ? [text("lime-samples", "Samples", { hint: "2000", pattern: "\\d+(,\\d+)?" }), select("lime-superpixels", "Superpixels", model.superpixels.map(q => [q, q]))] : null,
      owners.smooth.includes(explainer) ? number("smooth", "Smooth by", { min: 0, max: 50, step: "any", hint: "0" }, "pixels") : null),
    el("details", {}, el("summary", {}, "Thresholds and variant"),
      select("variant", "Equations of", [["paper", "the paper"], ["reference", "the authors' code"]]),
      select("relu", "Rectify base maps", [["", "as the variant has it"], ["on", "yes"], ["off", "no"]]),
      method === "cwox2s" && variant === "paper" ? number("epsilon", "A single class's map counts above", { min: 0, step: "any", hint: "0" }, "of its cluster's map") : null,
      method === "cwox2s" && variant === "reference" ? number("delta", "Class maps count above percentile", { min: -1, max: 100, step: "any", hint: "50" }, "of the cluster's map") : null,
      number("seed", "Seed", { min: 0, step: 1, hint: "0" })),
    el("fieldset", {}, el("legend", {}, "Side by side with"),
      field("Another", el("select", { id: "s-compare", onchange: e => change({ compare: e.target.value }) },
        el("option", { value: "" }, "nothing"),
        el("optgroup", { label: "Method" }, model.methods.toReversed().map(m => el("option", { value: m, selected: state.compare === m }, methods[m].split(":")[0]))),
        el("optgroup", { label: "Explainer" }, model.explainer.map(e => el("option", { value: e, selected: state.compare === e }, explainers[e] ?? e)))))),
    el("label", { class: "check" }, el("input", { id: "shared", type: "checkbox", checked: state.own !== "1", onchange: e => change({ own: e.target.checked ? "" : "1" }) }), " one colour scale for all maps of a stage"),
    el("button", { type: "button", id: "defaults", onclick: () => change(null) }, "Back to the defaults"),
  ];
  const open = root.querySelector("details")?.open, focus = document.activeElement?.id;
  root.replaceChildren(...parts.flat());
  if (open) root.querySelector("details").open = true;
  if (focus && focus !== document.activeElement?.id) root.querySelector("#" + CSS.escape(focus))?.focus();

  function field(label, input, help) {
    return el("label", {}, el("span", {}, label, help ? el("small", {}, " " + help) : null), input);
  }
}

const lists = ["clusters"];

// read takes the state from the address; write puts it there.
export function read() {
  const out = {};
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    try {
      out[key] = lists.includes(key) ? JSON.parse(value) : value;
    } catch {
      // an address that was cut off
    }
  }
  return out;
}

export function write(state, picture) {
  const out = new URLSearchParams();
  if (picture) out.set("picture", picture);
  for (const [key, value] of Object.entries(state)) {
    if (value !== "" && value !== null && value !== undefined) out.set(key, typeof value === "string" ? value : JSON.stringify(value));
  }
  history.replaceState(null, "", "#" + out);
}
