"""What is out, judged by what came in: topics read again with the pure core, and every candle and gap compared."""
