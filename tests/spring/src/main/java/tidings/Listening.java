package tidings;

import java.util.Map;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.listener.ConcurrentMessageListenerContainer;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.MessageListener;

/** A container for one topic, from its oldest record on; and lines for whoever started the program. */
final class Listening {
  private Listening() {}

  static ConcurrentMessageListenerContainer<String, String> to(
      String brokers, String topic, String group, MessageListener<String, String> listener) {
    var consumers =
        new DefaultKafkaConsumerFactory<>(
            Map.<String, Object>of("bootstrap.servers", brokers, "auto.offset.reset", "earliest"),
            new StringDeserializer(),
            new StringDeserializer());
    var properties = new ContainerProperties(topic);
    properties.setGroupId(group);
    properties.setMessageListener(listener);
    // So that a dead letter tells how often it was tried.
    properties.setDeliveryAttemptHeader(true);
    return new ConcurrentMessageListenerContainer<>(consumers, properties);
  }

  static synchronized void say(String... words) {
    System.out.println(String.join("\t", words));
    System.out.flush();
  }
}
