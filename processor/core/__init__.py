"""PURE. The decisions of the processor: columns and statuses in, candles and gaps out; no clock, socket, driver or logger."""
