//! What a log promises, as tests that every keeper passes: the suite is the definition.
//!
//! A keeper's test file says `tidings_log::conformance!(Embedded::fresh());` and gets one test for each rule,
//! so that a failure reads `a_member_that_leaves_hands_its_partitions_over`. What a keeper holds differently
//! it declares, with the reason.

mod groups;
mod members;
mod records;
mod tails;
mod topics;

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use tidings_model::Record;

pub use self::{groups::*, members::*, records::*, tails::*, topics::*};
use crate::{Durability, Log, LogPlace, Member, Polled, Produce, Tail, TopicConfig, TopicPartition};

/// A keeper on trial: one log, opened as often as a rule wants.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Opens the log. A rule that opens it again has dropped everything of before, as a process that ended.
    async fn open(&self) -> Arc<dyn Log>;

    /// Forgets the records of a partition before `upto`, as retention would.
    async fn forget(&self, partition: &TopicPartition, upto: u64);

    /// How the topics of the rules are kept.
    fn durability(&self) -> Durability {
        Durability::Durable
    }

    /// What to run so that this keeper can be tried, where it is not running.
    fn missing(&self) -> Option<String> {
        None
    }

    /// Rules that this keeper holds differently, with the reason; they are reported, never passed over in
    /// silence.
    fn differs(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// How long a rule waits for what must happen.
const LIMIT: Duration = Duration::from_secs(20);

/// What must happen, and does in time.
pub(crate) async fn soon<T>(what: &str, waited: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, waited).await.unwrap_or_else(|_late| panic!("{what} did not happen in time"))
}

/// A topic as most rules want it.
pub(crate) fn config(keeper: &dyn Keeper, name: &str, partitions: u32) -> TopicConfig {
    TopicConfig {
        alias: format!("{name}-alias"),
        name: name.to_owned(),
        partitions,
        retention: Duration::from_hours(24 * 7),
        retention_bytes: 1 << 26,
        durability: keeper.durability(),
    }
}

/// Opens the log with one topic, `orders`.
pub(crate) async fn orders(keeper: &dyn Keeper, partitions: u32) -> Arc<dyn Log> {
    let log = keeper.open().await;
    let drift = log.ensure_topics(&[config(keeper, "orders", partitions)]).await.expect("the topic is made");
    assert_eq!(drift, []);
    log
}

/// A partition of `orders`.
pub(crate) fn partition(partition: u32) -> TopicPartition {
    TopicPartition { topic: "orders".to_owned(), partition }
}

/// Appends a record with this value to a partition of `orders`.
pub(crate) async fn put(log: &dyn Log, to: u32, value: &str) -> LogPlace {
    let record = Produce {
        topic: "orders".to_owned(),
        partition: Some(to),
        value: Some(value.as_bytes().to_vec()),
        ..Produce::default()
    };
    log.produce(record).await.expect("it is appended")
}

/// The values of records, as text.
pub(crate) fn values(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into();
    records.iter().map(text).collect()
}

/// The next values that a tail reads, as many as `count`.
pub(crate) async fn tailed(tail: &mut dyn Tail, count: usize) -> Vec<String> {
    let mut read = Vec::new();
    while read.len() < count {
        let left = count - read.len();
        let records = soon("the next record", tail.next(left)).await.expect("a tail reads");
        read.extend(values(&records));
    }
    read
}

/// The next records that a member is given, as many as `count`.
pub(crate) async fn polled(member: &mut dyn Member, count: usize) -> Vec<Record> {
    let mut read = Vec::new();
    while read.len() < count {
        let left = count - read.len();
        match soon("the next record", member.poll(left)).await.expect("a member polls") {
            Polled::Records(records) => read.extend(records),
            Polled::Assigned(_) => {}
        }
    }
    read
}

/// The member's next assignment.
pub(crate) async fn assigned(member: &mut dyn Member) -> Vec<TopicPartition> {
    loop {
        let polled = soon("an assignment", member.poll(1)).await.expect("a member polls");
        if let Polled::Assigned(partitions) = polled {
            return partitions;
        }
    }
}

/// One test for each rule, against the keeper that the expression makes.
#[macro_export]
macro_rules! conformance {
    ($keeper:expr) => {
        $crate::conformance!(@rules $keeper;
            a_topic_is_made_once,
            what_differs_from_its_specification_is_reported_and_stays,
            a_name_that_kafka_refuses_is_refused,
            a_topic_is_known_by_its_alias_and_by_its_name,
            a_topic_that_was_made_is_known,
            what_is_not_there_is_an_error_that_names_it,
            topics_are_listed_with_what_they_hold,
            a_key_goes_to_the_partition_that_java_chooses,
            a_chosen_partition_is_kept,
            records_without_a_key_are_spread,
            records_of_a_partition_keep_their_order,
            what_is_enqueued_keeps_the_order_of_the_calls,
            offsets_are_counted_from_zero_without_holes,
            keys_values_and_headers_come_back_byte_by_byte,
            an_answered_record_is_there_after_reopening,
            records_are_read_from_an_offset_up_to_a_limit,
            a_group_begins_at_the_earliest_record,
            a_group_that_begins_at_the_latest_sees_only_what_comes_after_it_joined,
            a_group_goes_on_where_it_committed,
            a_record_that_was_not_committed_comes_again,
            groups_do_not_disturb_each_other,
            a_reset_moves_those_who_join_later,
            group_offsets_say_how_far_a_group_is,
            members_share_the_partitions,
            a_partition_is_given_to_nobody_while_another_holds_it,
            a_member_that_leaves_hands_its_partitions_over,
            a_paused_partition_is_left_unread_and_the_others_go_on,
            a_member_reads_on_from_where_it_seeks,
            a_poll_that_is_given_up_loses_nothing,
            a_busy_partition_does_not_starve_the_others,
            a_tail_reads_from_the_earliest_the_latest_or_an_offset,
            a_tail_whose_place_was_forgotten_goes_on_at_the_oldest,
            a_tail_is_woken_by_an_append_and_by_nothing_else,
            tails_see_everything_each_for_itself,
        );
    };
    (@rules $keeper:expr; $($rule:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let keeper = $keeper;
                if let Some(missing) = $crate::conformance::Keeper::missing(&keeper) {
                    println!("passed over: {missing}");
                    return;
                }
                let differs = $crate::conformance::Keeper::differs(&keeper);
                if let Some((_, reason)) = differs.iter().find(|(rule, _)| *rule == stringify!($rule)) {
                    println!("declared difference: {reason}");
                    return;
                }
                $crate::conformance::$rule(&keeper).await;
            }
        )*
    };
}
