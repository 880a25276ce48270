// A plain group consumer on Sarama that does nothing with its records, for `scripts/bench consumer`: it marks each as
// read, and Sarama commits what is marked each second. It prints the seconds from the first record to the last and its
// commit, and waits to be ended.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"strings"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

type reader struct {
	records int64
	read    atomic.Int64
	begun   atomic.Int64
	done    chan struct{}
}

func (r *reader) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (r *reader) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (r *reader) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			r.begun.CompareAndSwap(0, time.Now().UnixNano())
			session.MarkMessage(message, "")
			if r.read.Add(1) == r.records {
				session.Commit()
				close(r.done)
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func main() {
	brokers := flag.String("brokers", "", "where the brokers are")
	topic := flag.String("topic", "", "the topic")
	records := flag.Int64("records", 0, "how many records there are")
	round := flag.Int("round", 0, "which run this is")
	flag.Parse()

	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	group, err := sarama.NewConsumerGroup(strings.Split(*brokers, ","), fmt.Sprintf("%s-sarama-%d", *topic, *round), config)
	if err != nil {
		log.Fatal(err)
	}
	r := &reader{records: *records, done: make(chan struct{})}
	go func() {
		for {
			if err := group.Consume(context.Background(), []string{*topic}, r); err != nil {
				log.Fatal(err)
			}
		}
	}()
	<-r.done
	fmt.Println(time.Since(time.Unix(0, r.begun.Load())).Seconds())
	select {}
}
