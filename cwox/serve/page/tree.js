// The dendrogram of the explained classes: their clusters at every level of the label tree.

import { el, percent } from "./dom.js";

const row = 26, column = 46;

// tree draws it. levels are partitions, finest first; clusters those that are shown; change is called
// with other ones.
export function tree(levels, answer, clusters, names, change) {
  const classes = answer.top.map(t => t.class);
  const steps = [classes.map(c => [c])];
  for (const level of [...levels, [classes]]) {
    if (level.length < steps.at(-1).length) steps.push(level);
  }
  // Leaves in an order in which every group is together.
  let order = [...classes];
  for (const level of steps) {
    const rank = new Map(level.flatMap((group, i) => group.map(c => [c, [Math.min(...group.map(x => classes.indexOf(x))), i]])));
    order = order.map((c, i) => [c, i]).sort(([a, i], [b, k]) => rank.get(a)[0] - rank.get(b)[0] || rank.get(a)[1] - rank.get(b)[1] || i - k).map(([c]) => c);
  }
  const labels = 150, width = labels + steps.length * column + 20, height = order.length * row + 8;
  const svg = el("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Label tree of the explained classes" });
  const home = c => clusters.findIndex(k => k.includes(c));
  const at = new Map(); // "level:class" -> y
  order.forEach((c, i) => {
    const y = i * row + row / 2 + 4;
    at.set("0:" + c, y);
    svg.append(el("text", { x: labels - 6, y: y + 4, "text-anchor": "end", class: "leaf" }, short(names(c))));
    svg.append(el("circle", { cx: labels, cy: y, r: 5, class: "h" + home(c) % 6 }, el("title", {}, `${names(c)} ${percent(answer.top.find(t => t.class === c).probability)}`)));
  });
  const buttons = [];
  steps.slice(1).forEach((level, k) => {
    const x = labels + (k + 1) * column;
    for (const group of level) {
      const parts = steps[k].filter(part => group.includes(part[0]));
      const ys = parts.map(part => at.get(k + ":" + part[0]));
      const y = (Math.min(...ys) + Math.max(...ys)) / 2;
      for (const c of group) at.set(k + 1 + ":" + c, y);
      const joined = group.every(c => home(c) === home(group[0]));
      const colour = joined ? "branch h" + home(group[0]) % 6 : "branch";
      for (const py of ys) svg.append(el("path", { d: `M${x - column} ${py}H${x - column / 2}V${y}H${x}`, class: colour }));
      if (parts.length > 1) buttons.push({ x, y, group, parts, joined });
    }
  });
  for (const b of buttons) {
    const flip = () => {
      const rest = clusters.map(k => k.filter(c => !b.group.includes(c))).filter(k => k.length);
      change([...rest, ...(b.joined ? b.parts : [b.group])]);
    };
    const node = el("g", { class: "node" + (b.joined ? " joined h" + home(b.group[0]) % 6 : ""), tabindex: 0, role: "button", "aria-pressed": String(b.joined),
      "aria-label": (b.joined ? "Part " : "Join ") + b.group.map(names).join(", "), onclick: flip,
      onkeydown: event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); flip(); } } },
      el("circle", { cx: b.x, cy: b.y, r: 13, class: "hit" }), el("circle", { cx: b.x, cy: b.y, r: 7 }),
      el("title", {}, b.joined ? "Part them" : "Join them"));
    svg.append(node);
  }
  return svg;
}

const short = name => (name.length > 22 ? name.slice(0, 21) + "…" : name);
