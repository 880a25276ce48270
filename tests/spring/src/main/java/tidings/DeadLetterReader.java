package tidings;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.springframework.kafka.support.KafkaHeaders;

/**
 * Reads a dead letter topic as Spring's users do: by the names of {@link KafkaHeaders}, with the encodings of its recoverer.
 *
 * <p>Arguments: brokers, topic, group. For each record it prints its key, its value, and where and why it was given up. It
 * ends with its standard input.
 */
public final class DeadLetterReader {
  public static void main(String[] arguments) throws Exception {
    var container = Listening.to(arguments[0], arguments[1], arguments[2], DeadLetterReader::tell);
    container.start();
    System.in.readAllBytes();
    container.stop();
  }

  private static void tell(ConsumerRecord<String, String> record) {
    Listening.say(
        record.key(),
        record.value(),
        text(record, KafkaHeaders.DLT_ORIGINAL_TOPIC),
        String.valueOf(bytes(record, KafkaHeaders.DLT_ORIGINAL_PARTITION).getInt()),
        String.valueOf(bytes(record, KafkaHeaders.DLT_ORIGINAL_OFFSET).getLong()),
        String.valueOf(bytes(record, KafkaHeaders.DLT_ORIGINAL_TIMESTAMP).getLong()),
        text(record, KafkaHeaders.DLT_ORIGINAL_TIMESTAMP_TYPE),
        text(record, KafkaHeaders.DLT_ORIGINAL_CONSUMER_GROUP),
        text(record, KafkaHeaders.DLT_EXCEPTION_FQCN),
        text(record, KafkaHeaders.DLT_EXCEPTION_MESSAGE),
        text(record, KafkaHeaders.DLT_EXCEPTION_STACKTRACE));
  }

  private static ByteBuffer bytes(ConsumerRecord<String, String> record, String name) {
    return ByteBuffer.wrap(record.headers().lastHeader(name).value());
  }

  private static String text(ConsumerRecord<String, String> record, String name) {
    return StandardCharsets.UTF_8.decode(bytes(record, name)).toString();
  }
}
