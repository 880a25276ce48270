//! What is kept of a record that was given up, and how it is read.

use std::time::Duration;

use tidings_consumer::{
    HandlerError,
    dead_letters::{self, After, Filter},
};
use tidings_log::{Log, TopicPartition};
use tidings_model::{Clock as _, Record};

use crate::{
    failing::dead,
    world::{Scripted, World},
};

/// Gives everything up.
fn rejecting() -> std::sync::Arc<Scripted> {
    Scripted::new("orders", 50, |_, _| {
        let cause = std::io::Error::other("the outer cause");
        Err(HandlerError::reject(cause))
    })
}

async fn dead_records(world: &World, partition: u32) -> Vec<Record> {
    let place = TopicPartition { topic: "orders-dlt".to_owned(), partition };
    world.log.records(place, 0, 100).await.unwrap()
}

#[tokio::test]
async fn a_dead_letter_lies_in_its_topic_as_spring_kafka_writes_it() {
    let world = World::new(3, 3).await;
    world.put(2, "good enough for offset 0").await;
    world.put(2, "bad").await;
    world.start(&rejecting());
    world.until("two dead letters", async || dead(&world.store).await.len() == 2).await;
    let record = dead_records(&world, 2).await.remove(1);
    assert_eq!(record.value.as_deref(), Some(&b"bad"[..]));
    assert_eq!(record.key.as_deref(), Some(&b"key"[..]));
    let header = |name: &str| {
        let found = record.headers.iter().find(|(header, _)| header == name);
        found.unwrap_or_else(|| panic!("{name} is missing")).1.clone()
    };
    assert_eq!(header("kept"), [0, 255], "its own headers stay");
    assert_eq!(header("kafka_dlt-original-topic"), b"orders");
    assert_eq!(header("kafka_dlt-original-partition"), [0, 0, 0, 2]);
    assert_eq!(header("kafka_dlt-original-offset"), [0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(header("kafka_dlt-original-timestamp"), world.clock.now().millis().to_be_bytes());
    assert_eq!(header("kafka_dlt-original-timestamp-type"), b"CreateTime");
    assert_eq!(header("kafka_dlt-original-consumer-group"), b"group");
    assert_eq!(header("kafka_dlt-exception-fqcn"), b"tidings.HandlerError.Reject");
    assert_eq!(header("kafka_dlt-exception-message"), b"the outer cause");
    assert_eq!(header("kafka_dlt-exception-stacktrace"), b"tidings.HandlerError.Reject: the outer cause");
    assert_eq!(header("tidings-attempts"), b"1");
}

#[tokio::test]
async fn dead_letters_are_listed_newest_first_page_by_page_and_read_whole() {
    let world = World::new(1, 1).await;
    world.start(&rejecting());
    for number in 0..5 {
        world.put(0, &format!("{number}")).await;
        world.until("a dead letter", async || dead(&world.store).await.len() > number).await;
        // Two of them at the same moment.
        if number != 2 {
            world.clock.advance(Duration::from_secs(1));
        }
    }
    let page = async |after: Option<After>, filter: Filter| {
        let read = world
            .store
            .read(move |tx| async move { dead_letters::list(&tx, &filter, after.as_ref(), 2).await });
        read.await.unwrap()
    };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let letters = page(after.take(), Filter::default()).await;
        let Some(last) = letters.last() else { break };
        assert!(letters.len() <= 2);
        after = Some(After { created_at: last.created_at, id: last.id.clone() });
        seen.extend(letters);
    }
    assert_eq!(seen.iter().map(|letter| letter.offset).collect::<Vec<_>>(), [4, 3, 2, 1, 0]);

    let id = "orders/0/3@group".to_owned();
    let wanted = id.clone();
    let one = world
        .store
        .read(move |tx| async move { dead_letters::get(&tx, &wanted).await })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(one, seen[1]);
    assert_eq!((one.id, one.group, one.handler), (id, "group".to_owned(), "orders".to_owned()));
    assert_eq!((one.topic.as_str(), one.partition, one.event_id.as_str()), ("orders", 0, "orders/0/3"));
    assert_eq!((one.key, one.value), (Some(b"key".to_vec()), Some(b"3".to_vec())));
    assert_eq!(one.headers, [("kept".to_owned(), vec![0, 255])]);

    let of = |topic: &str, group: &str| Filter {
        topic: Some(topic.to_owned()),
        group: Some(group.to_owned()),
        ..Filter::default()
    };
    assert_eq!(page(None, of("orders", "group")).await.len(), 2);
    assert_eq!(page(None, of("orders", "another")).await, []);
    assert_eq!(page(None, of("bills", "group")).await, []);
    let counted = world.store.read(|tx| async move {
        let none = dead_letters::get(&tx, "orders/0/9@group").await?;
        Ok::<_, tidings_store::StoreError>((none, dead_letters::count(&tx, &Filter::default()).await?))
    });
    assert_eq!(counted.await.unwrap(), (None, 5));
}

#[tokio::test]
async fn a_topic_for_dead_letters_with_fewer_partitions_takes_them_where_the_key_decides() {
    let world = World::new(3, 1).await;
    world.put(2, "bad").await;
    world.start(&rejecting());
    world.until("a dead letter", async || dead(&world.store).await.len() == 1).await;
    assert_eq!(dead_records(&world, 0).await.len(), 1);
}

#[tokio::test]
async fn without_a_topic_for_dead_letters_the_row_alone_is_kept_and_the_group_goes_on() {
    let world = World::new(1, 0).await;
    world.put(0, "bad").await;
    world.put(0, "worse").await;
    world.start(&rejecting());
    world.until("two dead letters", async || dead(&world.store).await.len() == 2).await;
}
