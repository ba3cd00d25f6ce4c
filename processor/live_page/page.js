// The live page: what is chosen, when to ask, when to draw. It decides nothing about candles or gaps.
import { Book, ask, follow, load } from "./book.js";
import { Chart } from "./chart.js";
import { by, say, showAccount, showCandle, showFeeds, showGaps, showPickers, showPointed } from "./panels.js";

const POLL_MS = 500; // how often the newest is asked for where there is no stream
const NOTE_MS = 2000; // how often the small things are asked beside a stream: feeds, the list of series, the account
const WHOLE_MS = 15000; // how often everything is asked: old candles may be corrected, and a stream may have missed something
const TOLD_MS = 3000; // what the stream has told of a feed holds so long against what is asked for: Cassandra learns it later
const UNITS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

const root = document.documentElement;
const wanted = new URLSearchParams(location.hash.slice(1));
const chart = new Chart(by("chart"));
const known = { series: [], timeframes: [], stream: false, reads: "" };
const feeds = new Map();
let book = null;
let unfollow = () => {};
let streaming = false;
let loaded = -Infinity;
let skewUs = 0; // of the server's clock against this one; a page must not shade gaps by a wrong clock
let due = false;
let listed = {};
let hovering = false;

const now = () => Date.now() * 1000 + skewUs;
const lengthUs = (timeframe) => Number.parseInt(timeframe, 10) * UNITS[timeframe.at(-1)] * 1e6;

function theme(name) {
  root.dataset.theme = name;
}

function redraw() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    draw();
  });
}

function draw() {
  if (!book) return;
  const { candles, gaps } = book;
  const last = candles.at(-1);
  chart.draw(candles, gaps, now());
  const found = chart.pointed === null ? null : chart.at(chart.pointed, candles, gaps, now());
  showCandle(last);
  showPointed(found, found && chart.x(chart.pointed) > chart.width / 2, now());
  by("corrected").hidden = !document.querySelector(".corrected");
  // The table is drawn anew only where it says something new: a reader may be scrolling in it, or copying from it.
  const second = gaps.some((g) => g.to_time === null) ? Math.floor(now() / 1e6) : 0;
  if (gaps !== listed.gaps || second !== listed.second) showGaps(gaps, now());
  listed = { gaps, second };
  document.title = last ? `${last.close} ${book.series} – candlewick` : "candlewick";
}

function heard(kind, record) {
  if (kind === "feed") {
    feeds.set(record.source, { ...record, told: performance.now() });
    showFeeds([...feeds.values()].sort((a, b) => (a.source < b.source ? -1 : 1)));
  } else if (record.series !== book.series) {
    return;
  } else if (kind === "gap") {
    if (book.putGap(record)) redraw();
  } else if (record.timeframe === book.timeframe && book.putCandle(record)) {
    redraw();
  }
}

// Begins a series and timeframe: the stream first, so that nothing falls between it and the first answer.
function turnTo(series, timeframe) {
  const other = !book || book.series !== series;
  book = new Book(series, timeframe);
  chart.reset(lengthUs(timeframe));
  showPickers(known, series, timeframe, choose);
  loaded = -Infinity;
  if (!other) return;
  unfollow();
  unfollow = known.stream ? follow(series, heard, (open) => {
    streaming = open;
    loaded = -Infinity; // what was said while nobody listened is asked for
    if (open) refresh();
    sayHow();
  }) : () => {};
}

function sayHow() {
  by("how").textContent = streaming ? `Live: told by the processor as it happens. History from ${known.reads}.`
    : `Read from ${known.reads} twice a second.`;
  root.dataset.stream = streaming ? "open" : "none";
}

async function look() {
  const [about, list, states] = await Promise.all([ask("about"), ask("series"), ask("feeds")]);
  Object.assign(known, about, { series: list.series });
  if (about.now) skewUs = about.now - Date.now() * 1000;
  const named = states.feeds.map((feed) => {
    const heardOf = feeds.get(feed.source);
    return heardOf && heardOf.told > performance.now() - TOLD_MS ? heardOf : feed;
  });
  feeds.clear();
  for (const feed of named) feeds.set(feed.source, feed);
  showFeeds(named);
  showAccount(about.account);
  const series = wanted.get("series") || known.series[0] || "";
  const timeframe = known.timeframes.includes(wanted.get("timeframe")) ? wanted.get("timeframe") : known.timeframes[0];
  if (series && (!book || book.series !== series || book.timeframe !== timeframe)) turnTo(series, timeframe);
  else if (book) showPickers(known, book.series, book.timeframe, choose);
  sayHow();
}

let looked = -Infinity;
let asking = false;
let again = false;
async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    if (performance.now() - looked >= (streaming ? NOTE_MS : POLL_MS)) {
      await look();
      looked = performance.now();
    }
    const whole = performance.now() - loaded >= WHOLE_MS;
    if (book && (whole || !streaming)) {
      const mine = book;
      if (whole) loaded = performance.now();
      await load(mine, whole);
      if (mine === book) redraw();
    }
    say("trouble", book ? "" : "No series yet: nothing has arrived.");
  } catch (error) {
    looked = loaded = -Infinity;
    say("trouble", `No fresh data: ${error.message}. Asking again.`);
  } finally {
    asking = false;
  }
  if (again) {
    again = false;
    refresh();
  }
}

function choose(name, value) {
  wanted.set(name, value);
  history.replaceState(null, "", `#${wanted}`);
  if (!book) return;
  turnTo(wanted.get("series") || book.series, name === "timeframe" ? value : book.timeframe);
  draw();
  refresh();
}

function step(values, current, by_) {
  return values.length ? values[(values.indexOf(current) + by_ + values.length) % values.length] : "";
}

function point(us) {
  chart.pointed = us;
  redraw();
}

// By keyboard from candle to candle, so that what a gap or a version says needs no mouse.
function walk(by_) {
  const starts = [...new Set([...book.candles.map((c) => c.start), ...book.gaps.map((g) => g.from_time)])].sort((a, b) => a - b);
  const at = chart.pointed === null ? starts.length - (by_ < 0 ? 0 : 1) : starts.findIndex((s) => s + chart.windowUs / 2 >= chart.pointed);
  const start = starts[Math.max(0, Math.min(starts.length - 1, at + by_))];
  if (start === undefined) return;
  const candle = book.byStart.get(start);
  chart.pointed = candle ? start + chart.windowUs / 2 : start;
  if (chart.pointed < chart.left) chart.pan((chart.pointed - chart.left) / chart.windowUs - 5);
  if (chart.pointed > chart.right) chart.pan((chart.pointed - chart.right) / chart.windowUs + 5);
  redraw();
}

function newest() {
  chart.end = null;
  point(null);
}

function connectKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !book) return;
    const onChart = document.activeElement === by("chart");
    const moves = {
      "[": () => choose("series", step(known.series, book.series, -1)),
      "]": () => choose("series", step(known.series, book.series, 1)),
      ",": () => choose("timeframe", step(known.timeframes, book.timeframe, -1)),
      ".": () => choose("timeframe", step(known.timeframes, book.timeframe, 1)),
      "+": () => { chart.zoom(0.8); redraw(); },
      "-": () => { chart.zoom(1.25); redraw(); },
      Escape: newest,
      ...(onChart ? { ArrowLeft: () => walk(-1), ArrowRight: () => walk(1), End: newest } : {}),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  });
}

function connectPointer() {
  const box = by("chart");
  let held = null;
  const px = (event) => event.clientX - box.getBoundingClientRect().left;
  box.addEventListener("pointerdown", (event) => {
    held = { x: px(event), end: chart.right, moved: false };
    if (event.pointerType === "mouse") box.setPointerCapture(event.pointerId); // a drag goes on beyond the edge
    if (book) point(chart.timeAt(px(event)));
  });
  box.addEventListener("pointermove", (event) => {
    if (!book) return;
    if (held && event.buttons) {
      const windows = ((held.x - px(event)) / chart.width) * chart.windows;
      if (Math.abs(held.x - px(event)) > 4) held.moved = true;
      if (held.moved) {
        chart.end = held.end;
        chart.pan(windows);
      }
    }
    hovering = event.pointerType === "mouse";
    point(px(event) > chart.width ? null : chart.timeAt(px(event)));
  });
  for (const kind of ["pointerup", "pointercancel"]) box.addEventListener(kind, () => { held = null; });
  box.addEventListener("pointerleave", () => {
    held = null;
    if (hovering && book) point(null); // a finger's choice stays
  });
  box.addEventListener("wheel", (event) => {
    if (!book) return;
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) chart.pan((event.deltaX / chart.width) * chart.windows);
    else chart.zoom(event.deltaY > 0 ? 1.12 : 0.89);
    redraw();
  }, { passive: false });
}

by("series").addEventListener("change", (event) => choose("series", event.target.value));
by("theme").addEventListener("click", () => theme(root.dataset.theme === "dark" ? "light" : "dark"));
new ResizeObserver(redraw).observe(by("chart"));
document.addEventListener("visibilitychange", refresh);
connectKeys();
connectPointer();
theme(wanted.get("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
refresh();
setInterval(() => { if (!document.hidden) refresh(); }, POLL_MS);
setInterval(redraw, 1000); // a gap that lasts grows
