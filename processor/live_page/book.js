// What is known of one series and timeframe, and where it comes from: answers of the page's own server, then the stream of changes.
// Of several publications of a candle or gap the highest version wins, so the order in which they arrive makes no difference.

export const LIMIT = 1000; // candles and gaps asked for at once, and kept
const FEW = 20;
const ANSWER_MS = 5000;
const BACK_MS = 1000; // until a stream that was refused is asked for again

export class Book {
  constructor(series, timeframe) {
    this.series = series;
    this.timeframe = timeframe;
    this.byStart = new Map();
    this.byId = new Map();
    this.sorted = null;
    this.newestGaps = null;
  }

  putCandle(candle) {
    const known = this.byStart.get(candle.start);
    if (known && known.version >= candle.version) return false;
    this.byStart.set(candle.start, candle);
    this.sorted = null;
    return true;
  }

  putGap(gap) {
    const known = this.byId.get(gap.gap_id);
    if (known && known.version >= gap.version && known.state !== "open") return false;
    this.byId.set(gap.gap_id, gap);
    this.newestGaps = null;
    return true;
  }

  // Oldest first.
  get candles() {
    if (!this.sorted) {
      this.sorted = [...this.byStart.values()].sort((a, b) => a.start - b.start);
      for (const old of this.sorted.splice(0, this.sorted.length - LIMIT)) this.byStart.delete(old.start);
    }
    return this.sorted;
  }

  // Newest first; a gap whose moments were given to others has become empty and is none.
  get gaps() {
    if (!this.newestGaps) {
      this.newestGaps = [...this.byId.values()]
        .filter((g) => g.to_time === null || g.to_time > g.from_time)
        .sort((a, b) => b.from_time - a.from_time)
        .slice(0, LIMIT);
    }
    return this.newestGaps;
  }
}

export async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store" });
  const said = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(said.error), { status: answer.status });
  return said;
}

const none = (error) => {
  if (error.status === 404) return null; // nothing of this series yet: empty, not wrong
  throw error;
};

// `whole`: everything that is kept; else what changes from one moment to the next.
export async function load(book, whole) {
  const name = encodeURIComponent(book.series);
  const [candles, gaps] = await Promise.all([
    ask(`candles/${name}/${book.timeframe}?limit=${whole ? LIMIT : FEW}`).catch(none),
    ask(`gaps/${name}?limit=${whole ? LIMIT : FEW}`).catch(none),
  ]);
  for (const candle of candles ? candles.candles : []) book.putCandle(candle);
  for (const gap of gaps ? gaps.gaps : []) book.putGap(gap);
}

// Calls heard(kind, record) for each change and open(true|false) as the stream comes and goes; returns what ends it.
export function follow(series, heard, open) {
  let stream = null;
  let waiting = 0;
  const begin = () => {
    stream = new EventSource(`events?${new URLSearchParams({ series, feeds: "1" })}`);
    stream.onopen = () => open(true);
    stream.onerror = () => {
      open(false);
      if (stream.readyState === EventSource.CLOSED) waiting = setTimeout(begin, BACK_MS); // refused: a browser gives up then
    };
    for (const kind of ["candle", "gap", "feed"]) stream.addEventListener(kind, (event) => heard(kind, JSON.parse(event.data)));
  };
  begin();
  return () => {
    clearTimeout(waiting);
    stream.close();
  };
}
