// The words around the chart: pickers, feeds, the candle read out, what is pointed at, gaps, the account. All text, never markup.
import { clock, exact } from "./chart.js";

export const CAUSES = {
  producer_down: "producer down",
  refused: "refused by the provider",
  feed_down: "feed down",
  feed_stale: "feed stale",
  overflow: "given up on purpose",
  lost_updates: "updates lost by the venue",
  skipped_ids: "ids skipped",
  lost_sequence: "lost on our way",
  partial_start: "before the feed began",
  market_closed: "market closed",
  no_trades: "no trades",
  unsubscribed: "no longer subscribed",
};
const GOOD = ["live", "market_closed", "finished"];
const WAITING = ["connecting", "unknown", "stopping"];
const ROWS = 200; // gaps listed

export const by = (id) => document.getElementById(id);
const words = (name) => CAUSES[name] || name.replaceAll("_", " ");
const share = (coverage) => `${(coverage * 100).toFixed(coverage < 1 ? 2 : 0)} %`;
const moment = (us) => (us ? clock(us, true) : "unknown");

function lasted(us) {
  const s = us / 1e6;
  if (s < 120) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${(s / 3600).toFixed(1)} h` : `${(s / 86400).toFixed(1)} d`;
}

function element(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function chip(cause) {
  return element("i", undefined, `chip ${cause}`);
}

function facts(id, pairs) {
  by(id).replaceChildren(...pairs.map(([name, value, className]) => {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", value, className));
    return pair;
  }));
}

export function showPickers(known, series, timeframe, choose) {
  const select = by("series");
  if ([...select.options].map((o) => o.value).join("\n") !== known.series.join("\n")) {
    select.replaceChildren(...known.series.map((name) => Object.assign(element("option", name), { value: name })));
  }
  select.value = series;
  const box = by("timeframes");
  if ([...box.querySelectorAll("input")].map((i) => i.value).join() !== known.timeframes.join()) {
    box.querySelectorAll("label").forEach((label) => label.remove());
    for (const name of known.timeframes) {
      const label = element("label");
      const input = Object.assign(element("input"), { type: "radio", name: "timeframe", value: name });
      input.addEventListener("change", () => choose("timeframe", name));
      label.append(input, element("span", name));
      box.append(label);
    }
  }
  for (const input of box.querySelectorAll("input")) input.checked = input.value === timeframe;
}

export function showFeeds(feeds) {
  by("feeds").replaceChildren(...feeds.map((feed) => {
    const kind = GOOD.includes(feed.state) ? "good" : WAITING.includes(feed.state) ? "wait" : "bad";
    const item = element("li", `${feed.source}: ${feed.state.replaceAll("_", " ")} since ${moment(feed.since)}`, kind);
    if (feed.reason && kind !== "good") item.append(element("small", feed.reason));
    return item;
  }));
}

export function showCandle(c) {
  by("newest").dataset.start = c ? c.start : "";
  by("newest").dataset.last = c ? c.last_event_time : "";
  facts("newest", c ? [
    ["Window", clock(c.start, true)], ["Open", exact(c.open)], ["High", exact(c.high)], ["Low", exact(c.low)], ["Close", exact(c.close)],
    ["Volume", exact(c.volume)], ["Trades", exact(c.trade_count)], ["Updates", exact(c.update_count)],
    ["Coverage", share(c.coverage), c.coverage < 1 ? "damaged" : ""], ["Gap", c.gap_cause === "none" ? "none" : words(c.gap_cause)],
    ["State", c.reason && c.reason !== "none" ? `${c.state}: ${words(c.reason)}` : c.state, c.state === "revised" ? "revised" : ""],
    ["Version", exact(c.version)],
  ] : []);
}

function gapLines(gap, now) {
  const end = gap.to_time === null ? "still open" : `to ${clock(gap.to_time, true)}`;
  const lines = [`${clock(gap.from_time, true)} ${end}, ${lasted((gap.to_time === null ? now : gap.to_time) - gap.from_time)}, ${gap.state}`];
  if (gap.missing !== null && gap.missing >= 0) lines.push(`${exact(gap.missing)} missing`);
  if (gap.detail) lines.push(gap.detail);
  if (gap.why_not) lines.push(`not filled: ${gap.why_not}`);
  return lines;
}

export function showPointed(found, left, now) {
  const box = by("pointed");
  box.hidden = !found;
  if (!found) return;
  const parts = [];
  const c = found.candle;
  if (c) {
    parts.push(element("strong", `${clock(c.start, true)} to ${clock(c.end)}`));
    parts.push(element("p", `open ${exact(c.open)}, high ${exact(c.high)}, low ${exact(c.low)}, close ${exact(c.close)}`));
    parts.push(element("p", `volume ${exact(c.volume)}, ${exact(c.trade_count)} trades, ${exact(c.update_count)} updates`));
    const why = c.reason && c.reason !== "none" ? ` (${words(c.reason)})` : "";
    parts.push(element("p", `coverage ${share(c.coverage)}, ${c.state}${why}, version ${exact(c.version)}`));
    if (c.provenance && c.provenance !== "trades") parts.push(element("p", `prices from: ${c.provenance}`));
  } else {
    parts.push(element("strong", found.gaps.length ? "No candle here" : "Nothing here"));
  }
  for (const gap of found.gaps) {
    const title = element("strong", words(gap.cause), "cause");
    title.prepend(chip(gap.cause));
    parts.push(title, ...gapLines(gap, now).map((line) => element("p", line)));
  }
  box.replaceChildren(...parts);
  box.classList.toggle("left", left);
}

export function showGaps(gaps, now) {
  const rows = gaps.slice(0, ROWS).map((gap) => {
    const row = element("tr");
    const cause = element("td", words(gap.cause));
    cause.prepend(chip(gap.cause));
    row.append(cause, element("td", clock(gap.from_time, true)), element("td", gap.to_time === null ? "lasting" : clock(gap.to_time, true)),
      element("td", lasted((gap.to_time === null ? now : gap.to_time) - gap.from_time)), element("td", gap.state),
      element("td", [gap.detail, gap.why_not].filter(Boolean).join("; "), "why"));
    return row;
  });
  if (!rows.length) {
    const row = element("tr");
    row.append(Object.assign(element("td", "None: every minute known here is whole.", "none"), { colSpan: 6 }));
    rows.push(row);
  }
  by("gaps").replaceChildren(...rows);
  by("legend").replaceChildren(...[...new Set(gaps.map((g) => g.cause))].map((cause) => {
    const item = element("li", words(cause));
    item.prepend(chip(cause));
    return item;
  }));
  by("paler").hidden = !gaps.some((g) => g.state === "filled");
}

// An account may hold others, of its parts.
function flat(sums, before = "") {
  return Object.entries(sums).flatMap(([name, value]) =>
    value !== null && typeof value === "object" ? flat(value, `${name}: `) : [[before + name, value]]);
}

export function showAccount(account) {
  by("account").hidden = !account;
  if (!account) return;
  const { balances, ...sums } = account;
  facts("sums", flat(sums).map(([name, value]) => [name.replaceAll("_", " "), typeof value === "number" ? exact(value) : String(value ?? "none")]));
  by("verdict").textContent = balances ? "It balances." : "It does not balance.";
  by("verdict").className = balances ? "good" : "damaged";
}

export function say(id, text) {
  by(id).textContent = text;
  by(id).hidden = !text;
}
