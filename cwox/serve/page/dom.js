// Small helpers for elements. Text is text: nothing from a server or a file becomes markup.

export const $ = id => document.getElementById(id);

// el makes an element: attributes (on... are listeners, null is left out), then children.
export function el(name, attributes = {}, ...children) {
  const space = ["svg", "g", "line", "path", "text", "circle", "rect", "title"].includes(name) ? "http://www.w3.org/2000/svg" : null;
  const node = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(3).filter(c => c !== null));
  return node;
}

// percent is a probability in words.
export function percent(p) {
  const v = 100 * p;
  if (v > 0 && v < 0.1) return "< 0.1 %";
  return (v < 9.95 && v > 0 || v > 99 && v < 100 ? Math.min(v, 99.9).toFixed(1) : Math.round(v)) + " %";
}

export const letter = i => (i < 26 ? String.fromCharCode(65 + i) : "#" + (i + 1));

// same says whether two clusterings are the same, whatever the order.
export const same = (a, b) => key(a) === key(b);
const key = clusters => JSON.stringify(clusters.map(c => [...c].sort((x, y) => x - y)).sort((x, y) => x[0] - y[0]));

// debounced calls a function when nothing has asked for it for a while.
export function debounced(ms, call) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...args), ms);
  };
}
