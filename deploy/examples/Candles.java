// Prints the newest version of each candle as it comes: java -cp <jars> Candles.java <kafka> <registry> <topic>
// Maven: org.apache.kafka:kafka-clients:4.4.0, org.apache.avro:avro:1.12.1 (they bring the JSON reader used below).

import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Candles {
    private final Map<Integer, GenericDatumReader<GenericRecord>> readers = new HashMap<>();
    private final HttpClient http = HttpClient.newHttpClient();
    private final String registry;

    Candles(String registry) {
        this.registry = registry;
    }

    /** Confluent framing: a zero byte, the writer's schema id as four bytes, then the Avro body. */
    GenericRecord decode(byte[] message) throws Exception {
        ByteBuffer buffer = ByteBuffer.wrap(message);
        if (buffer.get() != 0) throw new IllegalArgumentException("not in Confluent framing");
        int id = buffer.getInt();
        if (!readers.containsKey(id)) readers.put(id, new GenericDatumReader<>(schema(id)));
        return readers.get(id).read(null, DecoderFactory.get().binaryDecoder(message, 5, message.length - 5, null));
    }

    private Schema schema(int id) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(registry + "/schemas/ids/" + id)).timeout(Duration.ofSeconds(15)).build();
        HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) throw new IllegalStateException("schema " + id + ": HTTP " + answer.statusCode());
        return new Schema.Parser().parse(new ObjectMapper().readTree(answer.body()).get("schema").asText());
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Object> options = Map.of(
            "bootstrap.servers", arguments[0], "group.id", "quick-start-" + arguments[2], "auto.offset.reset", "earliest");
        Candles candles = new Candles(arguments[1]);
        Map<String, Long> newest = new HashMap<>();
        try (var consumer = new KafkaConsumer<>(options, new StringDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(arguments[2]));
            while (true) {
                for (var message : consumer.poll(Duration.ofSeconds(1))) {
                    GenericRecord candle = candles.decode(message.value());
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
