// The deletion curve of a map: probabilities while its strongest pixels are erased.

import { el } from "./dom.js";

// draw draws the points that there are. lines are {name, hue, value(point)}; share is where the slider is.
export function draw(svg, points, lines, share) {
  const w = 480, h = 150, left = 34, bottom = 20;
  svg.setAttribute("viewBox", `0 0 ${w} ${h}`);
  svg.replaceChildren();
  svg.toggleAttribute("hidden", !points.length);
  const x = v => left + v * (w - left - 8), y = v => 6 + (1 - v) * (h - bottom - 6);
  for (const v of [0, 0.5, 1]) {
    svg.append(el("line", { x1: left, x2: w - 8, y1: y(v), y2: y(v), class: "grid" }));
    svg.append(el("text", { x: left - 5, y: y(v) + 4, "text-anchor": "end" }, 100 * v + "%"));
    svg.append(el("text", { x: x(v), y: h - 5, "text-anchor": v === 1 ? "end" : v ? "middle" : "start" }, v === 0.5 ? "half erased" : v ? "all" : "nothing"));
  }
  for (const line of lines) {
    if (!points.length) break;
    svg.append(el("path", { class: "line h" + line.hue + (line.main ? " main" : ""), d: "M" + points.map(p => `${x(p.erased).toFixed(1)} ${y(line.value(p)).toFixed(1)}`).join("L") }, el("title", {}, line.name)));
  }
  svg.append(el("line", { x1: x(share), x2: x(share), y1: 6, y2: h - bottom, class: "now" }));
  const last = points.at(-1);
  svg.setAttribute("aria-label", "Deletion curve. " + (last ? lines.filter(l => l.main).map(l => `${l.name}: ${Math.round(100 * l.value(points[0]))} % at first, ${Math.round(100 * l.value(points[Math.floor(points.length / 4)]))} % with a quarter erased`).join(". ") : "Being computed."));
}

// between gives the probabilities at a share of erased pixels, linear between the points.
export function between(points, share) {
  const i = points.findIndex(p => p.erased >= share);
  if (i <= 0) return (points[i] ?? points.at(-1)).probabilities;
  const a = points[i - 1], b = points[i], t = (share - a.erased) / (b.erased - a.erased);
  return a.probabilities.map((p, k) => p + t * (b.probabilities[k] - p));
}
