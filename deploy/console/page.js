// The live page: asks /view twice a second and draws what it says. It decides nothing about candles or gaps.
"use strict";

const PERIOD_MS = 500;
const COUNT = 180;
const LEAST = 36; // windows in view, so that the first candles have a candle's width
const CAUSES = {
  producer_down: ["#8e44ad", "producer down"],
  refused: ["#ad1457", "refused by the provider"],
  feed_down: ["#d62828", "feed down"],
  feed_stale: ["#e76f00", "feed stale"],
  overflow: ["#b5179e", "given up on purpose"],
  lost_updates: ["#c2410c", "updates lost by the venue"],
  skipped_ids: ["#c2410c", "ids skipped"],
  lost_sequence: ["#c2410c", "lost on our way"],
  partial_start: ["#d4a017", "before the feed began"],
  market_closed: ["#4a6fa5", "market closed"],
  no_trades: ["#8a949e", "no trades"],
  unsubscribed: ["#5b6770", "no longer subscribed"],
};
const GOOD = ["live", "market_closed", "finished"];
const WAITING = ["connecting", "unknown", "stopping"];

const by = (id) => document.getElementById(id);
const wanted = new URLSearchParams(location.hash.slice(1));
const root = document.documentElement;
let drawn = "";

const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const clock = (ms, withDay) => {
  const text = new Date(ms).toISOString();
  return withDay ? `${text.slice(5, 10)} ${text.slice(11, 19)}` : text.slice(11, 19);
};
const number = (x) => x.toLocaleString("en", { maximumSignificantDigits: 9 });
const lasted = (ms) => {
  const s = ms / 1000;
  if (s < 120) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${(s / 3600).toFixed(1)} h` : `${(s / 86400).toFixed(1)} d`;
};
const translucent = (colour, share) => colour + Math.round(share * 255).toString(16).padStart(2, "0");

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function replaced(id, children) {
  by(id).replaceChildren(...children);
}

function theme(name) {
  root.dataset.theme = name;
  drawn = "";
}

function choose(name, value) {
  wanted.set(name, value);
  history.replaceState(null, "", `#${wanted}`);
  drawn = "";
  ask();
}

function showPickers(view) {
  const select = by("series");
  const listed = [...select.options].map((o) => o.value).join("\n");
  if (listed !== view.series_list.join("\n")) {
    select.replaceChildren(...view.series_list.map((s) => { const o = element("option", s); o.value = s; return o; }));
  }
  select.value = view.series;
  const box = by("timeframes");
  const present = [...box.querySelectorAll("input")].map((i) => i.value).join();
  if (present !== view.timeframes.join()) {
    box.querySelectorAll("label").forEach((l) => l.remove());
    for (const name of view.timeframes) {
      const label = element("label");
      const input = element("input");
      Object.assign(input, { type: "radio", name: "timeframe", value: name });
      input.addEventListener("change", () => choose("timeframe", name));
      label.append(input, element("span", name));
      box.append(label);
    }
  }
  const checked = [...box.querySelectorAll("input")].find((i) => i.value === view.timeframe);
  if (checked) checked.checked = true;
}

function showFeeds(view) {
  replaced("feeds", view.feeds.map((feed) => {
    const kind = GOOD.includes(feed.state) ? "good" : WAITING.includes(feed.state) ? "wait" : "";
    const item = element("li", `${feed.source}: ${feed.state.replace("_", " ")} since ${clock(feed.since)}`, kind);
    item.title = feed.reason || feed.state;
    return item;
  }));
}

function showNewest(candles) {
  const last = candles.start.length - 1;
  if (last < 0) return replaced("newest", []);
  const c = Object.fromEntries(Object.entries(candles).map(([name, column]) => [name, column[last]]));
  const facts = [
    ["Window", clock(c.start)], ["Open", number(c.open)], ["High", number(c.high)], ["Low", number(c.low)],
    ["Close", number(c.close)], ["Volume", number(c.volume)], ["Trades", number(c.trade_count)],
    ["Updates", number(c.update_count)], ["Coverage", `${(c.coverage * 100).toFixed(c.coverage < 1 ? 2 : 0)} %`],
    ["Gap", CAUSES[c.gap_cause] ? CAUSES[c.gap_cause][1] : "none"], ["State", c.state], ["Version", number(c.version)],
  ];
  replaced("newest", facts.map(([name, value]) => {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", value, name === "Coverage" && c.coverage < 1 ? "damaged" : ""));
    return pair;
  }));
}

function showGaps(view) {
  const rows = view.gaps.map((gap) => {
    const [colour, words] = CAUSES[gap.cause] || ["#888888", gap.cause];
    const row = element("tr");
    const cause = element("td");
    const chip = element("i");
    chip.style.background = colour;
    cause.append(chip, words);
    if (gap.detail) cause.title = gap.detail;
    row.append(cause, element("td", clock(gap.from, true)), element("td", gap.to === null ? "lasting" : clock(gap.to, true)),
      element("td", lasted(gap.lasted_ms)), element("td", gap.state));
    return row;
  });
  if (!rows.length) {
    const cell = element("td", "None: every minute in view is whole.", "none");
    cell.colSpan = 5;
    const row = element("tr");
    row.append(cell);
    rows.push(row);
  }
  replaced("gaps", rows);
  const causes = [...new Set(view.gaps.map((g) => g.cause))];
  replaced("legend", causes.map((cause) => {
    const [colour, words] = CAUSES[cause] || ["#888888", cause];
    const item = element("li");
    const chip = element("i");
    chip.style.background = translucent(colour, 0.6);
    item.append(chip, words);
    return item;
  }));
}

function draw(view) {
  const c = view.candles;
  const ink = css("--quiet"), line = css("--line"), up = css("--up"), down = css("--down");
  const half = view.window_ms / 2;
  const middle = c.start.map((s) => s + half);
  const hover = c.start.map((s, i) =>
    `${clock(s, true)} – ${clock(s + view.window_ms)}<br>O ${number(c.open[i])}  H ${number(c.high[i])}  L ${number(c.low[i])}  C ${number(c.close[i])}` +
    `<br>volume ${number(c.volume[i])}, ${number(c.trade_count[i])} trades, ${number(c.update_count[i])} updates` +
    `<br>coverage ${(c.coverage[i] * 100).toFixed(2)} %, gap ${c.gap_cause[i]}<br>${c.state[i]}, version ${number(c.version[i])}`);
  const newest = (c.start.at(-1) || view.now_ms) + view.window_ms;
  const left = Math.min(c.start.length ? c.start[0] : newest, newest - LEAST * view.window_ms);
  const right = Math.max(view.now_ms > left + COUNT * 2 * view.window_ms ? 0 : view.now_ms, newest);
  const shade = root.dataset.theme === "dark" ? 0.36 : 0.22;
  const shapes = view.gaps.map((gap) => ({
    type: "rect", xref: "x", yref: "paper", layer: "below", x0: Math.max(gap.from, left), x1: Math.min(gap.to === null ? right : gap.to, right), y0: 0, y1: 1,
    line: { width: 0 }, fillcolor: translucent((CAUSES[gap.cause] || ["#888888"])[0], shade),
  })).filter((s) => s.x1 > s.x0);
  const traces = [
    { type: "candlestick", x: middle, open: c.open, high: c.high, low: c.low, close: c.close, text: hover, hoverinfo: "text",
      increasing: { line: { color: up, width: 1.3 }, fillcolor: up }, decreasing: { line: { color: down, width: 1.3 }, fillcolor: down }, yaxis: "y" },
    { type: "bar", x: middle, y: c.volume, yaxis: "y2", hoverinfo: "skip", width: view.window_ms * 0.72,
      marker: { color: c.close.map((p, i) => (p >= c.open[i] ? up : down)), opacity: 0.55 } },
    { type: "bar", x: middle, y: c.coverage, yaxis: "y3", hoverinfo: "skip", width: view.window_ms,
      marker: { color: c.coverage.map((v) => (v < 1 ? css("--bad") : css("--good"))), opacity: 0.6 } },
  ];
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickfont: { color: ink }, fixedrange: true, side: "right" };
  const caption = (text, y) => ({ text, x: 0, y, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false, font: { size: 11, color: ink } });
  Plotly.react("chart", traces, {
    uirevision: `${view.series} ${view.timeframe}`, showlegend: false, dragmode: "pan", bargap: 0,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 14, r: 64, t: 18, b: 42 }, autosize: true, height: by("chart").clientHeight,
    font: { family: "system-ui, Segoe UI, Roboto, DejaVu Sans, sans-serif", color: ink }, hovermode: "x", shapes,
    hoverlabel: { bgcolor: css("--card"), bordercolor: line, font: { color: css("--ink") }, align: "left" },
    xaxis: { type: "date", range: [left, right + half], rangeslider: { visible: false }, gridcolor: line, linecolor: line, tickfont: { color: ink }, anchor: "y3" },
    yaxis: { ...axis, domain: [0.31, 1], tickformat: ".8~g" }, yaxis2: { ...axis, domain: [0.105, 0.27], nticks: 3, rangemode: "tozero" },
    yaxis3: { ...axis, domain: [0, 0.055], range: [0, 1], tickvals: [], showgrid: false },
    annotations: [caption("volume", 0.275), caption("coverage", 0.06)],
  }, { displayModeBar: false, responsive: true, scrollZoom: true });
}

function show(view) {
  showPickers(view);
  showFeeds(view);
  showNewest(view.candles);
  showGaps(view);
  const now = JSON.stringify([view.candles, view.gaps.map((g) => [g.from, g.to, g.cause]), view.series, view.timeframe, root.dataset.theme,
    Math.floor(view.now_ms / 1000), by("chart").clientHeight]);
  if (now !== drawn) draw(view);
  drawn = now;
  document.title = view.candles.close.length ? `${number(view.candles.close.at(-1))} ${view.series} – candlewick` : "candlewick";
}

function trouble(text) {
  by("trouble").textContent = text;
  by("trouble").hidden = !text;
}

let asking = null;
async function ask() {
  if (asking) asking.abort();
  asking = new AbortController();
  const mine = asking;
  try {
    const answer = await fetch(`/view?${new URLSearchParams({ series: wanted.get("series") || "", timeframe: wanted.get("timeframe") || "", count: COUNT })}`,
      { signal: AbortSignal.any ? AbortSignal.any([mine.signal, AbortSignal.timeout(5000)]) : mine.signal });
    const view = await answer.json();
    if (!answer.ok) throw new Error(view.error);
    show(view);
    trouble(view.series ? "" : "No series yet: nothing has reached Cassandra.");
  } catch (error) {
    if (error.name !== "AbortError") trouble(`No fresh data: ${error.message}. Asking again.`);
  } finally {
    if (asking === mine) asking = null;
  }
}

async function forever() {
  for (;;) {
    if (!document.hidden && !asking) await ask();
    await new Promise((done) => setTimeout(done, PERIOD_MS));
  }
}

function step(values, current, by_) {
  return values.length ? values[(values.indexOf(current) + by_ + values.length) % values.length] : "";
}

by("series").addEventListener("change", (event) => choose("series", event.target.value));
by("theme").addEventListener("click", () => theme(root.dataset.theme === "dark" ? "light" : "dark"));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const series = [...by("series").options].map((o) => o.value);
  const inputs = [...document.querySelectorAll("#timeframes input")];
  const timeframe = (inputs.find((i) => i.checked) || {}).value;
  const moves = {
    "[": () => choose("series", step(series, by("series").value, -1)),
    "]": () => choose("series", step(series, by("series").value, 1)),
    ",": () => choose("timeframe", step(inputs.map((i) => i.value), timeframe, -1)),
    ".": () => choose("timeframe", step(inputs.map((i) => i.value), timeframe, 1)),
  };
  if (moves[event.key]) moves[event.key]();
});
theme(wanted.get("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
forever();
