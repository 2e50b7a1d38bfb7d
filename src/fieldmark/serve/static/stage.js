// The picture with its parts drawn on it, and parts cut out of it.

import { byId } from "./element.js";

/** Told apart by colour-blind people, too (Okabe and Ito, 2008). */
export const COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#2f8fff"];

/** Parts that are numbered on the picture; the others are drawn when they are pointed at. */
export const NUMBERED = 5;

/** What is shown around a part that is cut out, as a share of its size on each side. */
const AROUND = 0.35;

const LONGEST = 1200;

export class Stage {
  constructor() {
    this.bitmap = null;
    this.parts = [];
    this.grid = null;
    this.active = null;
    this.shown = true;
    new ResizeObserver(() => this.draw()).observe(byId("picture"));
  }

  /** Show a picture; size is its width and height as the service saw them, bitmap null where it can't be shown. */
  show(bitmap, size, parts, grid) {
    this.bitmap = bitmap;
    this.size = size;
    this.parts = parts;
    this.grid = grid;
    this.active = null;
    const scale = Math.min(1, LONGEST / Math.max(...size));
    const canvas = byId("picture");
    canvas.width = Math.max(1, Math.round(size[0] * scale));
    canvas.height = Math.max(1, Math.round(size[1] * scale));
    byId("frame").style.setProperty("--shape", `${size[0]} / ${size[1]}`);
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (bitmap) pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    this.draw();
  }

  /** Point at a part by its name; null points at none. */
  point(name) {
    this.active = name;
    this.draw();
  }

  draw() {
    const canvas = byId("overlay"), under = byId("picture");
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(under.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(under.clientHeight * ratio));
    if (!this.size) return;
    const pen = canvas.getContext("2d");
    const scale = canvas.width / this.size[0];
    const active = this.parts.find((part) => part.name === this.active);
    if (active) this.#light(pen, canvas, active, scale);
    if (!this.shown && !active) return;
    const drawn = active ? [active] : this.parts.slice(0, NUMBERED).reverse();
    for (const part of drawn) if (part.box) outline(pen, part, scale, ratio, part === active);
  }

  /** Darken all but a part: by its map where there is one, else by its box. */
  #light(pen, canvas, part, scale) {
    if (!part.box) return;
    const veil = new OffscreenCanvas(canvas.width, canvas.height), brush = veil.getContext("2d");
    brush.fillStyle = "rgba(10, 14, 16, 0.6)";
    brush.fillRect(0, 0, veil.width, veil.height);
    brush.globalCompositeOperation = "destination-out";
    if (part.map && this.grid) {
      const [left, top, width, height] = this.grid.box.map((value) => value * scale);
      brush.imageSmoothingQuality = "high";
      brush.drawImage(cells(part.map, this.grid), left, top, width, height);
    } else {
      const [left, top, width, height] = part.box.map((value) => value * scale);
      brush.fillRect(left, top, width, height);
    }
    pen.drawImage(veil, 0, 0);
  }

  /** Return a canvas with a part cut out, or null where it is no place. */
  cutOut(box, side = 88) {
    if (!box || !this.bitmap) return null;
    const [x, y, wide, high] = box, extent = Math.min(Math.max(wide, high) * (1 + 2 * AROUND), ...this.size);
    const across = this.bitmap.width / this.size[0], down = this.bitmap.height / this.size[1];
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side * Math.min(2, window.devicePixelRatio || 1);
    const within = (start, whole) => Math.max(0, Math.min(start, whole - extent));
    const left = within(x + wide / 2 - extent / 2, this.size[0]), top = within(y + high / 2 - extent / 2, this.size[1]);
    const pen = canvas.getContext("2d");
    pen.drawImage(this.bitmap, left * across, top * down, extent * across, extent * down, 0, 0, canvas.width, canvas.height);
    return canvas;
  }
}

/** Return a part's map as a small canvas whose opacity is its share of each cell, the strongest cell opaque. */
function cells(text, grid) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const most = Math.max(1, ...bytes);
  const canvas = new OffscreenCanvas(grid.columns, grid.rows), pen = canvas.getContext("2d");
  const image = pen.createImageData(grid.columns, grid.rows);
  bytes.forEach((value, place) => (image.data[4 * place + 3] = Math.min(255, (255 * 2 * value) / most)));
  pen.putImageData(image, 0, 0);
  return canvas;
}

function outline(pen, part, scale, ratio, bold) {
  const [left, top, width, height] = part.box.map((value) => value * scale);
  const line = (bold ? 3 : 2) * ratio;
  for (const [style, extra] of [["rgba(10, 14, 16, 0.65)", 2 * ratio], [part.colour, 0]]) {
    pen.beginPath();
    pen.lineWidth = line + extra;
    pen.strokeStyle = style;
    pen.roundRect(left, top, width, height, 8 * ratio);
    pen.stroke();
  }
  if (!part.number) return;
  const radius = 11 * ratio;
  const x = Math.min(Math.max(left, radius + ratio), pen.canvas.width - radius - ratio);
  const y = Math.min(Math.max(top, radius + ratio), pen.canvas.height - radius - ratio);
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = part.colour;
  pen.fill();
  pen.lineWidth = 1.5 * ratio;
  pen.strokeStyle = "rgba(10, 14, 16, 0.8)";
  pen.stroke();
  pen.fillStyle = "#111";
  pen.font = `600 ${13 * ratio}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(String(part.number), x, y + ratio);
}
