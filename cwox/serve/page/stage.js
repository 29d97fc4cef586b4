// The picture: under a heatmap, and with a part of it erased by a brush.

const side = 900; // of the canvas, in pixels

export class Stage {
  // change is called with the mask whenever the brush has changed it, place with where the pointer is.
  constructor(canvas, change, place) {
    Object.assign(this, { canvas, change, place, tool: "look", brush: 18, heat: null, scale: 1, cut: null, cross: null, photo: null });
    this.context = canvas.getContext("2d");
    const at = event => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    canvas.addEventListener("pointerdown", event => {
      if (!this.photo || event.button) return;
      this.cross = at(event);
      if (this.tool !== "look") {
        canvas.setPointerCapture(event.pointerId);
        this.stroke = this.cross;
        this.paint(this.cross, this.cross);
        event.preventDefault();
      }
      this.moved();
    });
    canvas.addEventListener("pointermove", event => {
      if (!this.photo) return;
      this.cross = at(event);
      if (this.stroke) {
        this.paint(this.stroke, this.cross);
        this.stroke = this.cross;
      }
      this.moved();
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(end, () => { this.stroke = null; });
    canvas.addEventListener("pointerleave", () => {
      if (this.stroke) return;
      this.cross = null;
      this.moved();
    });
    canvas.addEventListener("keydown", event => this.key(event));
    canvas.addEventListener("blur", () => {
      this.cross = null;
      this.moved();
    });
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!this.photo) return;
    if (step) {
      const from = this.cross ?? [0.5, 0.5];
      this.cross = from.map((v, i) => Math.min(1, Math.max(0, v + step[i] / 32)));
    } else if (event.key === " " && this.tool !== "look") {
      this.cross ??= [0.5, 0.5];
      this.paint(this.cross, this.cross);
    } else if (event.key === "+" || event.key === "-") {
      this.brush = Math.min(60, Math.max(4, this.brush + (event.key === "+" ? 3 : -3)));
    } else if (event.key === "Escape") {
      this.reset();
    } else return;
    event.preventDefault();
    this.moved();
  }

  // show puts another picture on; seen is the part of it that the network gets, in shares of the sides.
  show(photo, seen, height, width) {
    Object.assign(this, { photo, seen, height, width, cross: null, cut: null });
    const scale = Math.min(side / Math.max(photo.width, photo.height), 4);
    this.canvas.width = Math.max(60, Math.round(photo.width * scale));
    this.canvas.height = Math.max(60, Math.round(photo.height * scale));
    this.grey = document.createElement("canvas");
    this.grey.width = photo.width;
    this.grey.height = photo.height;
    const context = this.grey.getContext("2d", { willReadFrequently: true });
    context.drawImage(photo, 0, 0);
    const image = context.getImageData(0, 0, photo.width, photo.height), d = image.data;
    for (let i = 0; i < d.length; i += 4) d[i] = d[i + 1] = d[i + 2] = 0.2126 * d[i] + 0.7152 * d[i + 1] + 0.0722 * d[i + 2];
    context.putImageData(image, 0, 0);
    this.mask = new Uint8Array(width * height).fill(255);
    this.erased = false;
    this.draw();
  }

  reset() {
    if (!this.erased) return;
    this.mask.fill(255);
    this.erased = false;
    this.change(this.mask, performance.now());
    this.draw();
  }

  // inside is a place of the picture in shares of the network's input; null outside of it.
  inside(place) {
    const x = (place[0] - this.seen.x) / this.seen.width, y = (place[1] - this.seen.y) / this.seen.height;
    return Math.min(x, 1 - x, y, 1 - y) >= 0 ? [x, y] : null;
  }

  // paint moves the brush from one place to another. It is round on the picture.
  paint(from, to) {
    const start = performance.now(), value = this.tool === "erase" ? 0 : 255;
    const { mask, width, height, seen, canvas } = this;
    const rx = this.brush / 200 * Math.max(canvas.width, canvas.height) / canvas.width / seen.width * width / 1.5;
    const ry = this.brush / 200 * Math.max(canvas.width, canvas.height) / canvas.height / seen.height * height / 1.5;
    const point = p => [(p[0] - seen.x) / seen.width * width, (p[1] - seen.y) / seen.height * height];
    const [x0, y0] = point(from), [x1, y1] = point(to);
    const steps = Math.max(1, Math.ceil(Math.max(Math.abs(x1 - x0) / rx, Math.abs(y1 - y0) / ry) * 2));
    for (let s = 0; s <= steps; s++) {
      const cx = x0 + (x1 - x0) * s / steps, cy = y0 + (y1 - y0) * s / steps;
      for (let y = Math.max(0, Math.floor(cy - ry)); y < Math.min(height, cy + ry); y++) {
        for (let x = Math.max(0, Math.floor(cx - rx)); x < Math.min(width, cx + rx); x++) {
          if (((x + 0.5 - cx) / rx) ** 2 + ((y + 0.5 - cy) / ry) ** 2 <= 1) mask[y * width + x] = value;
        }
      }
    }
    this.erased = mask.some(v => v < 255);
    this.change(mask, start);
  }

  moved() {
    this.place(this.cross && this.inside(this.cross));
    this.draw();
  }

  // draw paints the canvas with the next frame.
  draw() {
    if (this.due) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      if (this.photo) this.paintNow();
    });
  }

  paintNow() {
    const { canvas: { width, height }, context, seen } = this;
    context.drawImage(this.background(), 0, 0);
    const holes = this.holes();
    if (holes) {
      context.imageSmoothingEnabled = false;
      context.drawImage(holes, seen.x * width, seen.y * height, seen.width * width, seen.height * height);
    }
    if (this.cross) {
      const [x, y] = [this.cross[0] * width, this.cross[1] * height];
      const r = this.tool === "look" ? 9 : this.brush / 200 * Math.max(width, height) / 1.5;
      for (const [colour, line] of [["#000", 5], ["#fff", 2]]) {
        context.strokeStyle = colour;
        context.lineWidth = line;
        context.beginPath();
        context.arc(x, y, r, 0, 7);
        context.stroke();
      }
    }
  }

  // background is the picture with its map, which a stroke of the brush does not change.
  background() {
    const { canvas: { width, height }, heat, scale, seen } = this;
    const picture = heat ? this.grey : this.photo;
    const of = [width, height, heat, scale, picture, seen.x, seen.y, seen.width, seen.height];
    if (this.drawn?.every((v, i) => v === of[i])) return this.base;
    this.drawn = of;
    this.base ??= document.createElement("canvas");
    Object.assign(this.base, { width, height });
    const context = this.base.getContext("2d");
    const box = [seen.x * width, seen.y * height, seen.width * width, seen.height * height];
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, width, height);
    context.fillStyle = "rgba(0,0,0,.6)"; // what the network does not see
    context.beginPath();
    context.rect(0, 0, width, height);
    context.rect(...box);
    context.fill("evenodd");
    if (heat) context.drawImage(heat.canvas(scale), ...box);
    return this.base;
  }

  // holes are the erased pixels: by the slider of the curve, or by the brush.
  holes() {
    if (!this.erased && !this.cut) return null;
    this.hole ??= document.createElement("canvas");
    if (this.hole.width !== this.width || this.hole.height !== this.height) Object.assign(this.hole, { width: this.width, height: this.height });
    const context = this.hole.getContext("2d");
    const image = context.createImageData(this.width, this.height);
    const pixels = new Uint32Array(image.data.buffer);
    const greys = new Uint32Array(new Uint8Array([134, 132, 128, 255, 118, 116, 112, 255]).buffer); // chequered, which no photograph is
    for (let i = 0; i < this.mask.length; i++) {
      if (this.cut ? this.cut(i) : this.mask[i] < 128) pixels[i] = greys[((i % this.width >> 2) + (Math.floor(i / this.width) >> 2)) & 1];
    }
    context.putImageData(image, 0, 0);
    return this.hole;
  }
}

// mini draws a small picture under a heatmap.
export function mini(canvas, stage, heat, scale) {
  const w = 320, { photo, grey, seen } = stage;
  canvas.width = w;
  canvas.height = Math.max(1, Math.round(Math.min(1.25, Math.max(0.5, photo.height / photo.width)) * w));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(grey, 0, 0, canvas.width, canvas.height);
  if (heat) context.drawImage(heat.canvas(scale), seen.x * w, seen.y * canvas.height, seen.width * w, seen.height * canvas.height);
}
