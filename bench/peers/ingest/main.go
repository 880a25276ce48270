// A plain service on Sarama that takes orders, for `scripts/bench ingest`: JSON in, a record that all replicas
// acknowledged, JSON out. It knows no callers, keys or limits. It prints where it listens.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"

	"github.com/IBM/sarama"
)

type order struct {
	CustomerName string `json:"customer_name"`
	CoffeeType   string `json:"coffee_type"`
}

type placed struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

func main() {
	brokers := flag.String("brokers", "", "where the brokers are")
	topic := flag.String("topic", "", "the topic")
	flag.Parse()

	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Retry.Max = 5
	config.Producer.Return.Successes = true
	addresses := strings.Split(*brokers, ",")
	admin, err := sarama.NewClusterAdmin(addresses, config)
	if err != nil {
		log.Fatal(err)
	}
	if err := admin.CreateTopic(*topic, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false); err != nil {
		log.Fatal(err)
	}
	producer, err := sarama.NewSyncProducer(addresses, config)
	if err != nil {
		log.Fatal(err)
	}

	http.HandleFunc("POST /api/v1/orders", func(answer http.ResponseWriter, request *http.Request) {
		var taken order
		if err := json.NewDecoder(request.Body).Decode(&taken); err != nil || taken.CustomerName == "" || taken.CoffeeType == "" {
			http.Error(answer, "an order has a customer_name and a coffee_type", http.StatusBadRequest)
			return
		}
		value, err := json.Marshal(taken)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusInternalServerError)
			return
		}
		partition, offset, err := producer.SendMessage(&sarama.ProducerMessage{Topic: *topic, Value: sarama.ByteEncoder(value)})
		if err != nil {
			http.Error(answer, err.Error(), http.StatusInternalServerError)
			return
		}
		answer.Header().Set("Content-Type", "application/json")
		answer.WriteHeader(http.StatusCreated)
		json.NewEncoder(answer).Encode(placed{Topic: *topic, Partition: partition, Offset: offset})
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
