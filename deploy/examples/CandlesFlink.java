// Newest candles by SQL in Flink 2.0: java -cp <jars> CandlesFlink.java <kafka> <registry> <topic>
// Maven, org.apache.flink: flink-clients:2.0.0, flink-table-api-java-bridge:2.0.0, flink-table-planner-loader:2.0.0,
// flink-table-runtime:2.0.0, flink-connector-base:2.0.0, flink-sql-avro-confluent-registry:2.0.0, flink-sql-connector-kafka:4.0.1-2.0.

import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.types.Row;

public class CandlesFlink {
    // Name the columns you want, NOT NULL, in any order. Instants are BIGINT, microseconds. Flink's Avro does not read an enumeration
    // as a STRING (gap_cause, state, reason, price, provenance): leave these out, or ask for gaps where coverage is below 1.
    static final String PUBLISHED = """
        CREATE TABLE published (
            series STRING NOT NULL, timeframe STRING NOT NULL, `start` BIGINT NOT NULL, `close` DOUBLE NOT NULL,
            coverage DOUBLE NOT NULL, version BIGINT NOT NULL
        ) WITH (
            'connector' = 'kafka', 'topic' = '%3$s', 'properties.bootstrap.servers' = '%1$s',
            'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
            'format' = 'avro-confluent', 'avro-confluent.url' = '%2$s')
        """; // without scan.bounded.mode, in streaming mode, it goes on for ever

    static final String NEWEST = """
        SELECT series, `start`, `close`, coverage, version FROM (
            SELECT *, ROW_NUMBER() OVER (PARTITION BY series, timeframe, `start` ORDER BY version DESC) AS n FROM published)
        WHERE n = 1
        """;

    public static void main(String[] arguments) throws Exception {
        TableEnvironment flink = TableEnvironment.create(EnvironmentSettings.inBatchMode());
        flink.getConfig().set("parallelism.default", "1");
        flink.executeSql(PUBLISHED.formatted((Object[]) arguments));
        try (var rows = flink.executeSql(NEWEST).collect()) {
            while (rows.hasNext()) {
                Row row = rows.next();
                System.out.println(row.getField(0) + " " + row.getField(1) + " " + row.getField(2) + " " + row.getField(3) + " " + row.getField(4));
            }
        }
        System.exit(0); // what its local cluster leaves running is not waited for
    }
}
