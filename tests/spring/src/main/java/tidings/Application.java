package tidings;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.util.backoff.FixedBackOff;

/**
 * A Spring application as many are: it handles a topic, tries what fails three times, and publishes what it gives up to
 * {@code <topic>-dlt}. Values that begin with {@code bad} fail until it reads {@code heal} on its standard input; it ends
 * with that input.
 *
 * <p>Arguments: brokers, topic, group. It makes the two topics, prints {@code ready}, and for each record that it handled
 * {@code handled KEY VALUE HEADERS}.
 */
public final class Application {
  private static final int PARTITIONS = 3;

  private final AtomicBoolean healed = new AtomicBoolean();

  public static void main(String[] arguments) throws Exception {
    String brokers = arguments[0];
    String topic = arguments[1];
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", brokers))) {
      List<NewTopic> topics =
          List.of(
              new NewTopic(topic, PARTITIONS, (short) 1), new NewTopic(topic + "-dlt", PARTITIONS, (short) 1));
      admin.createTopics(topics).all().get();
    }
    new Application().run(brokers, topic, arguments[2]);
  }

  private void run(String brokers, String topic, String group) throws Exception {
    var producers =
        new DefaultKafkaProducerFactory<>(
            Map.<String, Object>of("bootstrap.servers", brokers), new StringSerializer(), new StringSerializer());
    var container = Listening.to(brokers, topic, group, this::handle);
    var recoverer = new DeadLetterPublishingRecoverer(new KafkaTemplate<>(producers));
    container.setCommonErrorHandler(new DefaultErrorHandler(recoverer, new FixedBackOff(100, 2)));
    container.start();
    Listening.say("ready");
    var input = new BufferedReader(new InputStreamReader(System.in));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      healed.compareAndSet(false, line.equals("heal"));
    }
    container.stop();
    producers.destroy();
  }

  private void handle(ConsumerRecord<String, String> record) {
    if (record.value().startsWith("bad") && !healed.get()) {
      throw new IllegalStateException("no account for " + record.key());
    }
    var names = new TreeSet<String>();
    record.headers().forEach(header -> names.add(header.key()));
    Listening.say("handled", record.key(), record.value(), String.join(",", names));
  }
}
