//! librdkafka with nothing around it: the floor of reading.

use std::{hint::black_box, time::Duration};

use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, CommitMode, Consumer, StreamConsumer},
};

use super::{Source, Span};
use crate::Failure;

/// Its own settings, but for where a group begins.
fn settings(source: &Source, manner: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &source.brokers)
        .set("group.id", source.group(manner))
        .set("auto.offset.reset", "earliest");
    config
}

/// What even a handler that does nothing is given.
fn look(message: &impl Message) {
    black_box((message.key(), message.payload(), message.offset()));
}

pub(super) fn stream(source: &Source) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut span = Span::default();
    runtime.block_on(async {
        let consumer: StreamConsumer = settings(source, "stream").create()?;
        consumer.subscribe(&[&source.topic])?;
        for _ in 0..source.records {
            let message = consumer.recv().await?;
            span.begin();
            look(&message);
        }
        consumer.commit_consumer_state(CommitMode::Sync)?;
        Ok::<_, Failure>(())
    })?;
    span.tell()
}

pub(super) fn base(source: &Source) -> Result<(), Failure> {
    let mut settings = settings(source, "base");
    // Its own second, each time its queue is full, would be four fifths of what it takes here. As ours has it.
    settings.set("fetch.queue.backoff.ms", "10");
    let consumer: BaseConsumer = settings.create()?;
    consumer.subscribe(&[&source.topic])?;
    let (mut span, mut left) = (Span::default(), source.records);
    while left > 0 {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        span.begin();
        look(&message?);
        left -= 1;
    }
    consumer.commit_consumer_state(CommitMode::Sync)?;
    span.tell()
}
