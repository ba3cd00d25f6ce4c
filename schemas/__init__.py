"""The contract: records, Avro schemas, wire format, topics, registry client. Services share this package and nothing else."""
