// The same with Apicurio's deserializer, which asks the registry by itself: java -cp <jars> CandlesApicurio.java <kafka> <registry> <topic>
// Maven: org.apache.kafka:kafka-clients:4.4.0, io.apicurio:apicurio-registry-avro-serde-kafka:3.1.7. The registry's address
// ends with /apis/registry/v3. Messages are in Confluent framing, whose four bytes are Apicurio's content id.

import io.apicurio.registry.serde.avro.AvroKafkaDeserializer;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

public class CandlesApicurio {
    public static void main(String[] arguments) {
        Map<String, Object> options = Map.of(
            "bootstrap.servers", arguments[0], "group.id", "quick-start-apicurio-" + arguments[2], "auto.offset.reset", "earliest",
            "key.deserializer", StringDeserializer.class, "value.deserializer", AvroKafkaDeserializer.class,
            "apicurio.registry.url", arguments[1]);
        Map<String, Long> newest = new HashMap<>();
        try (var consumer = new KafkaConsumer<String, GenericRecord>(options)) {
            consumer.subscribe(List.of(arguments[2]));
            while (true) {
                for (var message : consumer.poll(Duration.ofSeconds(1))) {
                    GenericRecord candle = message.value();
                    long version = (long) candle.get("version");
                    String key = candle.get("series") + " " + candle.get("start");
                    if (version <= newest.getOrDefault(key, -1L)) continue;
                    newest.put(key, version);
                    System.out.println(key + " " + candle.get("close") + " " + candle.get("coverage") + " " + version);
                }
            }
        }
    }
}
