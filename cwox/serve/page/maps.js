// Heatmaps: 256 levels of each, and their colours.

// viridis is the sixth-degree polynomial that M. Zucker fitted to S. van der Walt's and N. Smith's
// map (both CC0), as in the reports.
const polynomials = [
  [0.2777273272234177, 0.1050930431085774, -0.3308618287255563, -4.634230498983486, 6.228269936347081, 4.776384997670288, -5.435455855934631],
  [0.005407344544966578, 1.404613529898575, 0.214847559468213, -5.799100973351585, 14.17993336680509, -13.74514537774601, 4.645852612178535],
  [0.3340998053353061, 1.384590162594685, 0.09509516302823659, -19.33244095627987, 56.69055260068105, -65.35303263337234, 26.3124352495832],
];
const colours = polynomials.map(p => Uint8Array.from({ length: 256 }, (_, i) =>
  Math.round(255 * Math.min(1, Math.max(0, p.reduceRight((sum, c) => sum * (i / 255) + c, 0))))));

const opacity = 0.75, fadeBelow = 0.3; // below that share of the scale a heatmap fades into the picture

// Heatmap is a map [height][width] in levels of its maximum.
export class Heatmap {
  constructor(levels, width, height, max) {
    Object.assign(this, { levels, width, height, max });
    this.painted = new Map(); // scale -> canvas
  }

  // canvas is the map in colours, transparent where there is little; scale is the value that has the
  // last colour.
  canvas(scale) {
    if (this.painted.has(scale)) return this.painted.get(scale);
    const out = document.createElement("canvas");
    out.width = this.width;
    out.height = this.height;
    const context = out.getContext("2d");
    const image = context.createImageData(this.width, this.height);
    const k = scale > 0 ? this.max / scale : 0;
    for (let i = 0; i < this.levels.length; i++) {
      const v = Math.min(255, Math.round(this.levels[i] * k));
      image.data[4 * i] = colours[0][v];
      image.data[4 * i + 1] = colours[1][v];
      image.data[4 * i + 2] = colours[2][v];
      image.data[4 * i + 3] = 255 * opacity * Math.min(1, v / 255 / fadeBelow);
    }
    context.putImageData(image, 0, 0);
    this.painted.set(scale, out);
    return out;
  }

  // at is the share of the maximum at a place, in shares of the sides.
  at([x, y]) {
    const i = Math.min(this.height - 1, Math.floor(y * this.height)) * this.width + Math.min(this.width - 1, Math.floor(x * this.width));
    return this.levels[i] / 255;
  }
}

// ramp draws all colours of a heatmap, from none to the last.
export function ramp(canvas) {
  canvas.getContext("2d").drawImage(new Heatmap(Uint8Array.from({ length: 256 }, (_, i) => i), 256, 1, 1).canvas(1), 0, 0);
}

// decode makes heatmaps of an answer's maps: name -> Heatmap.
export async function decode(maps, width, height) {
  const out = {};
  await Promise.all(Object.entries(maps).map(async ([name, m]) => {
    const levels = new Uint8Array(width * height);
    if (m.png) {
      const bytes = Uint8Array.from(atob(m.png), c => c.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }), { colorSpaceConversion: "none" });
      const canvas = document.createElement("canvas");
      canvas.width = width;
      canvas.height = height;
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(bitmap, 0, 0, width, height);
      const { data } = context.getImageData(0, 0, width, height);
      for (let i = 0; i < levels.length; i++) levels[i] = data[4 * i];
    }
    out[name] = new Heatmap(levels, width, height, m.max);
  }));
  return out;
}
