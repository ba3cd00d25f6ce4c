"""The processor: records and statuses in, candles and gaps out. Decisions in `core`, waiting in the shells around it."""
