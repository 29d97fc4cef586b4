// The answer: a card for each cluster, a tile for each map, and the classes to be moved.

import { el, letter, percent } from "./dom.js";
import { mini } from "./stage.js";

const hues = 6;

// scales are the values that get the last colour: one for each stage, or each map's own.
export function scaleOf(maps, name, shared) {
  if (!shared) return maps[name].max;
  const kind = name.split("/")[0];
  return Math.max(...Object.entries(maps).filter(([n]) => n.startsWith(kind + "/")).map(([, m]) => m.max));
}

// board draws an answer. ui has: stage, shared, chosen (a map's name), names (class -> label),
// choose(name), move(class, cluster) with -1 for a new cluster, drop(class), or null instead of move
// where nothing is to be moved.
export function board(answer, maps, ui) {
  const probability = Object.fromEntries(answer.top.map(t => [t.class, t.probability]));
  return answer.clusters.map((cluster, i) => {
    const names = cluster.classes.map(ui.names);
    const tiles = [];
    if (maps["cluster/" + i]) {
      tiles.push(tile("cluster/" + i, cluster.classes.length > 1 ? "What they share" : names[0], cluster, i, null));
    }
    for (const c of answer.classes.filter(c => c.cluster === i)) tiles.push(tile("class/" + c.class, ui.names(c.class), c, i, c.class));
    return el("div", { role: "group", class: "cluster h" + i % hues, "data-cluster": i, "aria-label": `Cluster ${letter(i)}: ${names.join(", ")}` },
      el("h3", {}, el("span", { class: "badge", "aria-hidden": "true" }, letter(i)), " ", list(names), " ", el("span", { class: "soft" }, percent(cluster.probability))),
      el("div", { class: "tiles" }, tiles));
  });

  function tile(name, title, item, cluster, cls) {
    const heat = maps[name], canvas = el("canvas", { "aria-hidden": "true" });
    mini(canvas, ui.stage, heat, heat && scaleOf(maps, name, ui.shared));
    const foil = against(item, cls);
    const node = el("article", { class: "tile" + (cls === null ? " group" : ""), "data-map": name, "data-class": cls },
      el("button", { type: "button", class: "map", "aria-pressed": String(ui.chosen === name), "aria-label": `Show the map of ${cls === null ? "cluster " + letter(cluster) : title}`, onclick: () => ui.choose(name) },
        canvas, el("span", { class: "here" })),
      el("p", { class: "title" }, cls !== null && ui.move ? el("span", { class: "grip", "aria-hidden": "true" }, "⠿") : null, el("b", {}, title), cls === null ? null : [" ", el("span", { class: "num" }, percent(probability[cls]))]),
      foil ? el("p", { class: "soft" }, foil) : null,
      heat && !heat.max ? el("p", { class: "soft" }, "blank: no pixel speaks for it") : null,
      effect(item, cls),
      item.noise && !item.noise.resolved ? el("p", { class: "soft" }, `not settled yet (${item.noise.masks} samples)`) : null);
    if (cls !== null && ui.move) node.append(mover(cls, cluster, title));
    return node;
  }

  // against says what a map is contrasted with.
  function against(item, cls) {
    if (item.foil?.length) return "against " + list(item.foil.map(ui.names));
    if (answer.method !== "cwox2s") return "";
    if (cls !== null) return answer.clusters[item.cluster].classes.length > 1 ? "" : "in itself, at a finer layer";
    return answer.clusters.length > 1 ? "against the other clusters" : "";
  }

  // effect says what erasing the marked pixels does.
  function effect(item, cls) {
    if (!item.effect) return null;
    const now = answer.top.reduce((sum, t, k) => sum + ((cls === null ? item.classes.includes(t.class) : t.class === cls) ? item.effect.probabilities[k] : 0), 0);
    const was = cls === null ? item.probability : probability[cls];
    return el("p", { class: "soft", title: `${percent(item.effect.erased)} of the input are marked` }, `Without it ${percent(was)} → ${percent(Math.min(1, now))}`);
  }

  // mover moves a class by keyboard or finger.
  function mover(cls, cluster, title) {
    const select = el("select", { "aria-label": "Move " + title },
      el("option", { value: "" }, "Move …"),
      answer.clusters.map((c, i) => (i === cluster ? null : el("option", { value: i }, `to ${letter(i)}: ${list(c.classes.map(ui.names))}`))),
      answer.clusters[cluster].classes.length > 1 ? el("option", { value: -1 }, "to a cluster of its own") : null,
      answer.top.length > 1 ? el("option", { value: "drop" }, "leave it out") : null);
    select.addEventListener("change", () => (select.value === "drop" ? ui.drop(cls) : ui.move(cls, Number(select.value))));
    return select;
  }
}

const list = names => (names.length < 2 ? names.join("") : names.slice(0, -1).join(", ") + " or " + names.at(-1));

// draggable lets tiles of classes be dragged to other clusters, by mouse, pen or finger (by the grip).
export function draggable(root, move) {
  let drag = null;
  root.addEventListener("pointerdown", event => {
    const tile = event.target.closest(".tile[data-class]");
    if (!tile || event.button || event.target.closest("select")) return;
    if (event.pointerType === "touch" && !event.target.closest(".grip")) return;
    drag = { tile, x: event.clientX, y: event.clientY, ghost: null, id: event.pointerId };
  });
  addEventListener("pointermove", event => {
    if (!drag || event.pointerId !== drag.id) return;
    if (!drag.ghost) {
      if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < 6) return;
      drag.ghost = el("div", { class: "ghost" }, drag.tile.querySelector("b").textContent);
      document.body.append(drag.ghost);
      root.classList.add("dragging");
    }
    drag.ghost.style.left = event.clientX + 10 + "px";
    drag.ghost.style.top = event.clientY + 6 + "px";
    mark(target(event));
    event.preventDefault();
  });
  const target = event => {
    const over = document.elementFromPoint(event.clientX, event.clientY);
    return over?.closest("#board .cluster") ?? (over?.closest(".new-cluster") || null);
  };
  const mark = over => {
    for (const c of root.querySelectorAll(".over")) c.classList.remove("over");
    over?.classList.add("over");
  };
  addEventListener("pointerup", event => {
    if (!drag) return;
    const { tile, ghost } = drag;
    drag = null;
    if (!ghost) return;
    ghost.remove();
    root.classList.remove("dragging");
    const over = target(event);
    mark(null);
    const swallow = e => e.stopPropagation(); // the click that ends the drag
    addEventListener("click", swallow, true);
    setTimeout(() => removeEventListener("click", swallow, true));
    if (!over || over === tile.closest(".cluster")) return;
    move(Number(tile.dataset.class), over.classList.contains("new-cluster") ? -1 : Number(over.dataset.cluster));
  });
  addEventListener("pointercancel", () => {
    drag?.ghost?.remove();
    drag = null;
    root.classList.remove("dragging");
  });
  root.addEventListener("dragstart", event => event.preventDefault());
}
