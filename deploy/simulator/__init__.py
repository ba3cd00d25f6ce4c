"""A fake Finnhub that speaks the real protocol from a seeded market, and keeps a ledger of everything it sent."""
