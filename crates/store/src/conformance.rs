//! What a store promises, as tests that every keeper passes: the suite is the definition.
//!
//! A keeper's test file says `tidings_store::conformance!(Sqlite::fresh());` and gets one test for each rule,
//! so that a failure reads `a_body_that_panics_fails_alone`. What a keeper cannot do it declares.

mod events;
mod fresh;
mod lanes;
mod life;
mod outbox;
mod transactions;

use std::time::Duration;

pub use self::{
    events::*,
    fresh::{FreshDatabase, NO_POSTGRES, each_store, prepare},
    lanes::*,
    life::*,
    outbox::*,
    transactions::*,
};
use crate::{Appends, Migration, Store, StoreError, TopicPartitions, params};

/// A keeper on trial: one database, opened as often as a rule wants.
pub trait Keeper: Send + Sync {
    /// Opens the database with these limits and this schema.
    fn open(&self, setup: &Setup) -> Result<Store, StoreError>;

    /// Why it cannot be tried here, if it cannot.
    fn absent(&self) -> Option<&'static str> {
        None
    }

    /// Rules that this keeper holds differently, with the reason; they are reported, never passed over in
    /// silence.
    fn differs(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// What a rule asks of the store it opens.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Transactions that may wait before callers get [`StoreError::Busy`].
    pub queue: usize,
    /// Transactions of people that may run beside each other, where a keeper can do that.
    pub writers: usize,
    /// How long a read may live.
    pub read_limit: Duration,
    /// How many bytes the log may hold.
    pub log_bytes: u64,
    /// Where events go.
    pub appends: Appends,
    /// The schema.
    pub migrations: Vec<Migration>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            queue: 1024,
            writers: 8,
            read_limit: Duration::from_secs(2),
            log_bytes: 1 << 30,
            appends: Appends::Log,
            migrations: vec![NOTES],
        }
    }
}

/// The table that the rules write to.
pub const NOTES: Migration = Migration {
    owner: "conformance",
    name: "0001_notes",
    sqlite: "CREATE TABLE notes (note BIGINT NOT NULL PRIMARY KEY, text TEXT);",
};

/// Writes one note.
pub(crate) async fn note(store: &Store, note: i64) -> Result<(), StoreError> {
    store
        .transact(move |tx| async move {
            tx.execute("INSERT INTO notes (note) VALUES ($1)", params![note]).await?;
            Ok(())
        })
        .await
}

/// All notes, in order.
pub(crate) async fn notes(store: &Store) -> Vec<i64> {
    let rows =
        store.read(|tx| async move { tx.query("SELECT note FROM notes ORDER BY note", params![]).await });
    rows.await.expect("notes can be read").iter().map(|row| row.get(0).expect("a note is a number")).collect()
}

/// A topic of the embedded log, made as the log makes it.
pub(crate) async fn topic(
    store: &Store,
    name: &'static str,
    partitions: u32,
    bytes_limit: u64,
) -> TopicPartitions {
    let made = store
        .transact(move |tx| async move {
            let found = tx.optional("SELECT first_partition FROM log_topics WHERE topic = $1", params![name]).await?;
            if let Some(row) = found {
                return row.get::<u32>(0);
            }
            let first = tx
                .one("SELECT COALESCE(MAX(first_partition + partitions), 1) FROM log_topics", params![])
                .await?
                .get::<u32>(0)?;
            tx.execute(
                "INSERT INTO log_topics (topic, first_partition, partitions, retention_ms, retention_bytes, created_at)
                 VALUES ($1, $2, $3, 0, $4, 0)",
                params![name, first, partitions, bytes_limit],
            )
            .await?;
            for number in first..first + partitions {
                tx.execute("INSERT INTO log_partitions (partition_number) VALUES ($1)", params![number]).await?;
            }
            Ok(first)
        })
        .await;
    let topic = TopicPartitions {
        name: name.to_owned(),
        first_partition: made.expect("a topic can be made"),
        partitions,
        bytes_limit,
    };
    store.register_topic(name, topic.clone());
    topic
}

/// One test for each rule, against the keeper that the expression makes.
#[macro_export]
macro_rules! conformance {
    ($keeper:expr) => {
        $crate::conformance!(@rules $keeper;
            a_body_that_fails_keeps_nothing,
            a_body_that_fails_takes_nobody_with_it,
            what_a_transaction_found_is_asked_for_once_in_it,
            a_body_that_panics_fails_alone,
            an_answer_that_nobody_takes_harms_nobody,
            a_body_that_waits_for_something_else_fails_alone,
            a_transaction_sees_its_own_writes_and_others_do_not,
            the_next_read_sees_what_was_answered,
            a_statement_says_how_many_rows_it_changed,
            a_statement_runs_for_many_rows_in_their_order_and_says_what_each_changed,
            parameters_go_by_name_whatever_their_order,
            a_transaction_that_outlives_its_body_is_closed,
            who_holds_a_lock_reads_what_stays_true,
            transactions_that_met_in_a_deadlock_both_commit,
            an_event_is_in_the_log_if_and_only_if_its_transaction_commits,
            offsets_have_no_holes_after_failed_bodies,
            records_of_one_key_keep_the_order_of_their_transactions,
            a_topic_at_its_bound_refuses_and_goes_on_after_a_trim,
            bytes_and_offsets_are_true_after_reopening,
            readers_of_a_partition_are_woken_by_the_commit,
            an_outbox_row_is_there_if_and_only_if_its_transaction_commits,
            outbox_rows_of_one_key_keep_the_order_of_commits,
            records_appended_together_share_rows_and_keep_their_order,
            what_is_appended_after_the_body_is_refused,
            a_full_outbox_refuses_and_goes_on_once_it_was_relayed,
            those_who_wait_are_woken_by_the_commit,
            a_full_queue_answers_busy,
            people_go_before_bulk,
            bulk_is_not_starved_by_people,
            bulk_callers_wait_for_a_place_and_get_it,
            a_read_is_one_snapshot,
            a_read_cannot_write,
            a_read_has_a_limit,
            a_long_body_is_counted,
            what_was_answered_is_there_after_reopening,
            what_waited_at_the_close_is_done,
            migrations_run_once_and_in_order,
            a_migration_that_fails_leaves_nothing,
            a_newer_schema_is_refused_and_not_touched,
            the_write_ahead_log_stays_bounded_beside_constant_reading,
        );
    };
    (@rules $keeper:expr; $($rule:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let keeper = $keeper;
                if let Some(reason) = $crate::conformance::Keeper::absent(&keeper) {
                    println!("{reason}");
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
