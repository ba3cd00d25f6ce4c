// Draws candles, volume, coverage and gaps as SVG; knows nothing of where they come from. Colours are the style sheet's.
// Times are microseconds, as in every record.

const SVG = "http://www.w3.org/2000/svg";
const RIGHT = 76;
const BELOW = 22;
const ABOVE = 10;
const NARROW_PX = 3; // a gap is drawn at least so wide: seconds of an outage matter in a chart of hours
const NEAR_PX = 4; // and is found so far beside it
const LEAST = 36;
const STEPS_S = [1, 5, 10, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000];

// On an axis as many digits as have room; in words all that a double's decimal text has, for a version or a price cut short is another.
export const number = (x) => x.toLocaleString("en", { maximumSignificantDigits: 9 });
export const exact = (x) => x.toLocaleString("en", { maximumSignificantDigits: Number.isInteger(x) ? 21 : 15 });
export const clock = (us, withDay) => {
  const text = new Date(us / 1000).toISOString();
  return withDay ? `${text.slice(5, 10)} ${text.slice(11, 19)}` : text.slice(11, 19);
};

function made(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// A label right of the chart that is drawn narrower where it would stick out: a price without its last digit is another price.
function fitted(label) {
  if (label.textContent.length > 9) {
    label.setAttribute("textLength", RIGHT - 11);
    label.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }
  return label;
}

// Round values that divide [low, high] into about `count` parts.
function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((m) => m * power >= raw) * power;
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high; n += 1) found.push(Number((n * step).toPrecision(12)));
  return found;
}

export class Chart {
  // `box` holds the drawing.
  constructor(box) {
    this.box = box;
    this.svg = made("svg", { "aria-hidden": "true" });
    box.append(this.svg);
    this.reset(60e6);
  }

  // Begins anew, with windows of `windowUs`.
  reset(windowUs) {
    this.windowUs = windowUs;
    this.wanted = null; // windows in view, where somebody has chosen
    this.windows = LEAST;
    this.end = null; // follows the newest
    this.pointed = null;
  }

  get width() { return Math.max(80, this.box.clientWidth - RIGHT); }

  get right() { return this.end === null ? this.newest : this.end; }

  get left() { return this.right - this.windows * this.windowUs; }

  x(us) { return ((us - this.left) / (this.right - this.left)) * this.width; }

  timeAt(px) { return this.left + (px / this.width) * (this.right - this.left); }

  // Both stay within what there is, give or take half a view.
  pan(windows) {
    const end = this.right + windows * this.windowUs;
    const oldest = this.oldest + (this.windows * this.windowUs) / 2;
    this.end = end >= this.newest ? null : Math.max(end, Math.min(oldest, this.newest));
  }

  zoom(factor) { this.wanted = Math.max(12, Math.min(1000, Math.round((this.wanted ?? this.windows) * factor))); }

  // As many windows as are well seen, and few while there are few, so that the first candles have a candle's width.
  fit(spanUs) {
    const most = Math.max(LEAST, Math.min(120, Math.round(this.width / 9)));
    this.windows = this.wanted ?? Math.max(LEAST, Math.min(most, Math.ceil(spanUs / this.windowUs) + 4));
  }

  // What lies at a moment: the candle of its window, and the gaps, also those too narrow to be met exactly.
  at(us, candles, gaps, now) {
    const near = (NEAR_PX / this.width) * (this.right - this.left);
    return {
      candle: candles.find((c) => c.start <= us && us < c.start + this.windowUs) || null,
      gaps: gaps.filter((g) => g.from_time - near <= us && us < (g.to_time === null ? Math.max(now, g.from_time) : g.to_time) + near),
    };
  }

  draw(candles, gaps, now) {
    const last = candles.at(-1);
    const reached = last ? last.start + this.windowUs : now;
    this.oldest = candles.length ? candles[0].start : reached;
    // Beyond the last candle a chart goes on only while something there is accounted for, and for half a view.
    const lasting = gaps.some((g) => g.to_time === null) && now > reached;
    this.fit((lasting ? now : reached) - this.oldest);
    this.newest = (lasting ? Math.min(now, reached + (this.windows / 2) * this.windowUs) : reached) + this.windowUs;
    const height = Math.max(160, this.box.clientHeight);
    const usable = height - BELOW - ABOVE;
    const areas = { price: [ABOVE, ABOVE + usable * 0.7], volume: [ABOVE + usable * 0.75, ABOVE + usable * 0.92], cover: [ABOVE + usable * 0.95, ABOVE + usable] };
    const seen = candles.filter((c) => c.start + this.windowUs > this.left && c.start < this.right);
    this.svg.setAttribute("viewBox", `0 0 ${this.width + RIGHT} ${height}`);
    this.svg.replaceChildren(
      this.timeAxis(height),
      this.gapAreas(gaps, now, height - BELOW),
      ...this.priceArea(seen, areas.price, last),
      this.volumeArea(seen, areas.volume),
      this.coverArea(seen, areas.cover),
      ...this.marker(height - BELOW),
    );
  }

  timeAxis(height) {
    const group = made("g", { class: "axis" });
    const span = (this.right - this.left) / 1e6;
    const room = Math.max(2, Math.floor(this.width / 110));
    const step = (STEPS_S.find((s) => span / s <= room) || STEPS_S.at(-1)) * 1e6;
    for (let t = Math.ceil(this.left / step) * step; t <= this.right; t += step) {
      const x = this.x(t).toFixed(1);
      group.append(made("line", { x1: x, x2: x, y1: 0, y2: height - BELOW }));
      const text = step >= 86400e6 || t % 86400e6 === 0 ? clock(t, true).slice(0, 5) : clock(t).slice(0, step < 60e6 ? 8 : 5);
      if (x > 18) group.append(made("text", { x, y: height - 6, "text-anchor": "middle" }, text));
    }
    return group;
  }

  gapAreas(gaps, now, height) {
    const group = made("g", { class: "gaps" });
    for (const gap of gaps) {
      const from = this.x(Math.max(gap.from_time, this.left));
      const to = this.x(Math.min(gap.to_time === null ? Math.max(now, gap.from_time) : gap.to_time, this.right));
      if (to < from || from > this.width || to < 0) continue;
      const width = Math.max(to - from, NARROW_PX);
      group.append(made("rect", { class: `gap ${gap.cause}`, "data-state": gap.state, x: from.toFixed(1), y: 0, width: width.toFixed(1), height }));
    }
    return group;
  }

  priceArea(seen, [top, bottom], last) {
    const axis = made("g", { class: "axis" });
    const group = made("g", { class: "candles" });
    if (!seen.length) return [axis, group];
    let low = Math.min(...seen.map((c) => c.low));
    let high = Math.max(...seen.map((c) => c.high));
    const spare = (high - low || Math.abs(high) * 0.001 || 1) * 0.06;
    low -= spare;
    high += spare;
    const y = (price) => bottom - ((price - low) / (high - low)) * (bottom - top);
    for (const price of ticks(low, high, Math.max(2, Math.floor((bottom - top) / 55)))) {
      axis.append(made("line", { x1: 0, x2: this.width, y1: y(price).toFixed(1), y2: y(price).toFixed(1) }));
      if (last && Math.abs(y(price) - y(last.close)) < 14) continue; // the label of the last price stands there
      axis.append(fitted(made("text", { x: this.width + 6, y: (y(price) + 4).toFixed(1) }, number(price))));
    }
    const slot = this.width / this.windows;
    const half = Math.max(0.5, Math.min(slot * 0.36, 14));
    for (const c of seen) {
      const x = this.x(c.start + this.windowUs / 2);
      const up = c.close >= c.open;
      const [head, foot] = [y(Math.max(c.open, c.close)), y(Math.min(c.open, c.close))];
      const body = `M${(x - half).toFixed(1)} ${head.toFixed(1)}h${(2 * half).toFixed(1)}v${Math.max(foot - head, 1).toFixed(1)}h${(-2 * half).toFixed(1)}z`;
      const path = `M${x.toFixed(1)} ${y(c.high).toFixed(1)}V${y(c.low).toFixed(1)}${body}`;
      group.append(made("path", { class: `candle ${up ? "up" : "down"} ${c.state}${c.coverage < 1 ? " damaged" : ""}`, d: path, "data-start": c.start }));
      if (c.state === "revised") {
        const above = (y(c.high) - 7).toFixed(1);
        group.append(made("path", { class: "corrected", d: `M${x.toFixed(1)} ${above}l3.5 3.5l-3.5 3.5l-3.5 -3.5z` }));
      }
    }
    if (last && last.close >= low && last.close <= high) {
      const at = y(last.close).toFixed(1);
      group.append(made("line", { class: "last", x1: 0, x2: this.width, y1: at, y2: at }));
      group.append(made("rect", { class: "lastbox", x: this.width + 1, y: (at - 9).toFixed(1), width: RIGHT - 2, height: 18, rx: 3 }));
      group.append(fitted(made("text", { class: "lasttext", x: this.width + 6, y: (Number(at) + 4).toFixed(1) }, number(last.close))));
    }
    return [axis, group];
  }

  volumeArea(seen, [top, bottom]) {
    const group = made("g", { class: "volume" });
    group.append(made("text", { class: "name", x: 4, y: (top - 3).toFixed(1) }, "volume"));
    const most = Math.max(0, ...seen.map((c) => c.volume));
    if (!most) return group;
    group.append(made("text", { class: "name", x: this.width + 6, y: (top + 8).toFixed(1) }, most.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 4 })));
    const wide = Math.max(1, Math.min((this.width / this.windows) * 0.72, 28));
    for (const c of seen) {
      const tall = (c.volume / most) * (bottom - top);
      const x = this.x(c.start + this.windowUs / 2) - wide / 2;
      group.append(made("rect", { class: c.close >= c.open ? "up" : "down", x: x.toFixed(1), y: (bottom - tall).toFixed(1), width: wide.toFixed(1), height: tall.toFixed(1) }));
    }
    return group;
  }

  coverArea(seen, [top, bottom]) {
    const group = made("g", { class: "coverage" });
    group.append(made("text", { class: "name", x: this.width + 6, y: (bottom - 1).toFixed(1) }, "coverage"));
    const wide = this.width / this.windows;
    for (const c of seen) {
      const tall = Math.max(c.coverage, 0) * (bottom - top);
      const x = this.x(c.start);
      if (c.coverage < 1) group.append(made("rect", { class: "bad", x: x.toFixed(1), y: top.toFixed(1), width: wide.toFixed(1), height: (bottom - tall - top).toFixed(1) }));
      group.append(made("rect", { class: "good", x: x.toFixed(1), y: (bottom - tall).toFixed(1), width: wide.toFixed(1), height: tall.toFixed(1) }));
    }
    return group;
  }

  marker(height) {
    if (this.pointed === null || this.pointed < this.left || this.pointed > this.right) return [];
    const x = this.x(this.pointed).toFixed(1);
    return [made("line", { class: "pointer", x1: x, x2: x, y1: 0, y2: height })];
  }
}
