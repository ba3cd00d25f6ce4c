"""PURE. One batch of records as columns: checked, and folded into what it adds to each window."""

from __future__ import annotations

from typing import Any

import polars as pl

from processor.core.fingerprint import identities, of_columns
from processor.core.ohlcv import NO_SEQUENCE, UNIT, Partial
from schemas.records import Price
from schemas.timeframes import BASE_US

_ORDER = ("event_time", "venue_sequence", "epoch", "sequence")


def refusal(kind: str, ahead_us: int) -> pl.Expr:
    """Return an expression naming why a trade or quote cannot be in a candle, or null where it can.

    Rules: prices finite and above 0, sizes finite and not below 0, event time at most `ahead_us` ahead of receipt.
    """
    prices = ("price",) if kind == "trades" else ("bid", "ask")
    sizes = ("size",) if kind == "trades" else ("bid_size", "ask_size")
    bad_price = pl.any_horizontal(*(~pl.col(c).is_finite() | (pl.col(c) <= 0) for c in prices))
    bad_size = pl.any_horizontal(*(~pl.col(c).is_finite() | (pl.col(c) < 0) for c in sizes))
    ahead = pl.col("event_time") > pl.col("receive_time") + ahead_us
    negative = (pl.col("event_time") < 0) | (pl.col("receive_time") < 0)
    return (
        pl.when(bad_price)
        .then(pl.lit("bad_price"))
        .when(bad_size)
        .then(pl.lit("bad_size"))
        .when(negative)
        .then(pl.lit("bad_time"))
        .when(ahead)
        .then(pl.lit("event_ahead"))
        .otherwise(None)
        .alias("refusal")
    )


def too_late(kind: str, horizon_us: int, backfill_us: int) -> pl.Expr:
    """Return an expression that is true for records too old at receipt to enter a candle; never for a replay's.

    `backfill_us` is the limit of trades that a backfill sent, `horizon_us` that of all others.
    """
    limit = pl.when("backfill").then(backfill_us).otherwise(horizon_us) if kind == "trades" else pl.lit(horizon_us)
    return ~pl.col("replay") & (pl.col("receive_time") - pl.col("event_time") > limit)


def history_refusal() -> pl.Expr:
    """Return an expression naming why a history record cannot be used, or null where it can.

    A candle is a whole minute that was over when it was received (a vendor's unfinished candle is never published), with prices
    finite, above 0 and within its range; volume and count, where given, are finite and not below 0.
    """
    is_candle = pl.col("record") == "candle"
    prices = [pl.col(c) for c in ("open", "high", "low", "close")]
    bad_price = pl.any_horizontal(*(~p.is_finite() | (p <= 0) for p in prices))
    outside = (pl.col("high") < pl.max_horizontal("open", "close")) | (pl.col("low") > pl.min_horizontal("open", "close"))
    volume, count = pl.col("volume").fill_null(0.0), pl.col("trade_count").fill_null(0)
    start, end = pl.col("start"), pl.col("end")
    return (
        pl.when((start < 0) | (end < start) | (pl.col("receive_time") < 0))
        .then(pl.lit("bad_time"))
        .when(~is_candle)
        .then(None)
        .when((start % BASE_US != 0) | (end - start != BASE_US))
        .then(pl.lit("bad_window"))
        .when(end > pl.col("receive_time"))
        .then(pl.lit("unfinished"))
        .when(bad_price | outside)
        .then(pl.lit("bad_price"))
        .when(~volume.is_finite() | (volume < 0) | (count < 0))
        .then(pl.lit("bad_size"))
        .otherwise(None)
        .alias("refusal")
    )


class Columns:
    """One price of a batch, sorted by order key, ready to be folded by window.

    `frame` has the record's fields, ``key`` (the instrument) and ``offset``; its rows have passed `refusal` and `too_late`.
    """

    def __init__(self, frame: pl.DataFrame, price: Price, lateness_us: int) -> None:
        self._lateness = lateness_us
        zero = pl.lit(0, dtype=pl.Int128)
        if price == "trade":
            value, size = pl.col("price"), pl.col("size")
            is_trade = pl.col("kind") == "trade"
            traded = pl.when(is_trade).then((size * UNIT).round().cast(pl.Int128)).otherwise(zero)
            bought = pl.when(is_trade & (pl.col("side") == "buy")).then(traded).otherwise(zero)
            notional = pl.when(is_trade).then((value * size * UNIT).round().cast(pl.Int128)).otherwise(zero)
        else:
            value = (pl.col("bid") + pl.col("ask")) / 2 if price == "mid" else pl.col(price)
            size, is_trade = pl.lit(0.0), pl.lit(False)
            traded = bought = notional = zero
        columns = frame.select(
            "key",
            "offset",
            "event_time",
            "receive_time",
            pl.col("venue_sequence"),
            "epoch",
            "sequence",
            *(["trade_id"] if price == "trade" else []),
            value.alias("value"),
            size.alias("size"),
            is_trade.alias("is_trade"),
            traded.alias("size_n"),
            bought.alias("buy_n"),
            notional.alias("notional_n"),
            pl.min_horizontal("event_time", "receive_time").alias("mark"),
        )
        prints = of_columns(columns["event_time"], columns["value"], columns["size"], identities(columns))
        self._frame = (
            columns.drop("size", "trade_id", strict=False)
            .with_columns(prints, pl.col("venue_sequence").fill_null(NO_SEQUENCE))
            .sort(*_ORDER)
        )

    def partials(self, length_us: int) -> list[tuple[str, Partial]]:
        """Return (instrument, what the batch adds) for every window of `length_us` that it touches."""
        return self._fold(self._frame, length_us)

    def partial_after(self, key: str, start: int, length_us: int, offset: int) -> Partial | None:
        """Return what the batch's records above `offset` add to one window; None if there are none.

        Needed only where a batch overlaps restored state: a window then already holds some of its records.
        """
        time = pl.col("event_time")
        rows = self._frame.filter(
            (pl.col("key") == key) & (time >= start) & (time < start + length_us) & (pl.col("offset") > offset)
        )
        return self._fold(rows, length_us)[0][1] if rows.height else None

    def _fold(self, frame: pl.DataFrame, length_us: int) -> list[tuple[str, Partial]]:
        ends = [pl.col(c).first().alias(f"first_{c}") for c in (*_ORDER, "value")]
        ends += [pl.col(c).last().alias(f"last_{c}") for c in (*_ORDER, "value")]
        start = pl.col("event_time") // length_us * length_us
        folded = (
            frame.with_columns(start.alias("start"))
            .with_columns((pl.col("receive_time") >= pl.col("start") + (length_us + self._lateness)).alias("is_late"))
            .group_by("key", "start", maintain_order=True)
            .agg(
                *ends,
                pl.col("value").max().alias("high"),
                pl.col("value").min().alias("low"),
                pl.col("size_n").sum(),
                pl.col("buy_n").sum(),
                pl.col("notional_n").sum(),
                pl.col("is_trade").sum().alias("trades"),
                pl.len().alias("records"),
                pl.col("is_late").sum().alias("late"),
                pl.col("fingerprint").sum(),
                pl.col("offset").min().alias("offset_min"),
                pl.col("offset").max().alias("offset_max"),
                pl.col("mark").max(),
            )
        )
        return [_partial(row) for row in folded.iter_rows()]


def _partial(row: tuple[Any, ...]) -> tuple[str, Partial]:
    key, start, o0, o1, o2, o3, opened, c0, c1, c2, c3, closed, high, low, size, buy, notional, trades, records, *rest = row
    late, print_, offset_min, offset_max, mark = rest
    return key, Partial(
        start,
        (o0, o1, o2, o3),
        opened,
        high,
        low,
        (c0, c1, c2, c3),
        closed,
        size,
        buy,
        notional,
        trades,
        records - trades,
        late,
        print_,
        offset_min,
        offset_max,
        mark,
    )
