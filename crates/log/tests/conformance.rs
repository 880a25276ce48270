//! Both ways to keep a topic in one process keep what a log promises.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tempfile::TempDir;
use tidings_log::{Durability, EmbeddedLog, Log, TopicPartition, conformance::Keeper};
use tidings_model::SystemClock;
use tidings_store::{Store, StoreOptions};

/// A log in a file in a folder of its own.
struct Embedded {
    folder: TempDir,
    store: Mutex<Option<Store>>,
}

impl Embedded {
    fn fresh() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder can be made"), store: Mutex::default() }
    }

    fn open_log(&self) -> Arc<dyn Log> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        // What was open before gives the file back.
        *store = None;
        let opened = Store::open(&StoreOptions::at(self.folder.path().join("tidings.db")));
        let opened = opened.expect("the store opens");
        *store = Some(opened.clone());
        Arc::new(EmbeddedLog::new(opened, Arc::new(SystemClock)))
    }
}

#[async_trait]
impl Keeper for Embedded {
    async fn open(&self) -> Arc<dyn Log> {
        self.open_log()
    }

    async fn forget(&self, partition: &TopicPartition, upto: u64) {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let store = store.expect("the log is open");
        let number =
            store.topic(&partition.topic).expect("the topic is there").first_partition + partition.partition;
        let trimmed = store.transact(move |tx| async move { tx.trim(number, upto, 500).await }).await;
        trimmed.expect("it is trimmed");
    }
}

/// Topics that end with the process.
struct Memory(Embedded);

#[async_trait]
impl Keeper for Memory {
    async fn open(&self) -> Arc<dyn Log> {
        self.0.open_log()
    }

    async fn forget(&self, _partition: &TopicPartition, _upto: u64) {
        unreachable!("rules that forget are declared")
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn differs(&self) -> &'static [(&'static str, &'static str)] {
        const ENDS: &str = "a topic in memory ends with the process";
        const NO_GROUPS: &str = "a topic in memory has no groups; tails read it";
        const RING: &str =
            "a topic in memory forgets its oldest records by itself; `tests/memory.rs` says when";
        &[
            ("an_answered_record_is_there_after_reopening", ENDS),
            (
                "what_differs_from_its_specification_is_reported_and_stays",
                "a topic in memory is made anew by each start",
            ),
            ("topics_are_listed_with_what_they_hold", RING),
            ("records_are_read_from_an_offset_up_to_a_limit", RING),
            ("a_tail_whose_place_was_forgotten_goes_on_at_the_oldest", RING),
            ("a_group_begins_at_the_earliest_record", NO_GROUPS),
            ("a_group_that_begins_at_the_latest_sees_only_what_comes_after_it_joined", NO_GROUPS),
            ("a_group_goes_on_where_it_committed", NO_GROUPS),
            ("a_record_that_was_not_committed_comes_again", NO_GROUPS),
            ("groups_do_not_disturb_each_other", NO_GROUPS),
            ("a_reset_moves_those_who_join_later", NO_GROUPS),
            ("group_offsets_say_how_far_a_group_is", NO_GROUPS),
            ("members_share_the_partitions", NO_GROUPS),
            ("a_partition_is_given_to_nobody_while_another_holds_it", NO_GROUPS),
            ("a_member_that_leaves_hands_its_partitions_over", NO_GROUPS),
            ("a_paused_partition_is_left_unread_and_the_others_go_on", NO_GROUPS),
            ("a_member_reads_on_from_where_it_seeks", NO_GROUPS),
            ("a_poll_that_is_given_up_loses_nothing", NO_GROUPS),
            ("a_busy_partition_does_not_starve_the_others", NO_GROUPS),
        ]
    }
}

mod embedded {
    tidings_log::conformance!(super::Embedded::fresh());
}

mod memory {
    tidings_log::conformance!(super::Memory(super::Embedded::fresh()));
}
