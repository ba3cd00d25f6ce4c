"""The sink: what is on the topics, written to Cassandra so that any order, repetition or crash leaves the same rows."""
