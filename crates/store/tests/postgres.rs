//! PostgreSQL keeps what a store promises.

use tidings_store::{
    Store, StoreError, StoreOptions,
    conformance::{FreshDatabase, Keeper, NO_POSTGRES, Setup},
};

/// A database of its own, with one connection for people, so that rules can hold it up.
struct Postgres(Option<FreshDatabase>);

impl Postgres {
    fn fresh() -> Self {
        Self(FreshDatabase::postgres().expect("the server of the tests answers"))
    }
}

impl Keeper for Postgres {
    fn open(&self, setup: &Setup) -> Result<Store, StoreError> {
        let database = self.0.as_ref().expect("only a keeper that is there is opened");
        let mut options = StoreOptions::postgres(database.url());
        options.queue = setup.queue;
        options.read_limit = setup.read_limit;
        options.writers = setup.writers;
        options.migrations.clone_from(&setup.migrations);
        Store::open(&options)
    }

    fn absent(&self) -> Option<&'static str> {
        self.0.is_none().then_some(NO_POSTGRES)
    }

    fn differs(&self) -> &'static [(&'static str, &'static str)] {
        const NO_LOG: &str = "there is no embedded log in PostgreSQL; its records are in Kafka";
        const LANES: &str = "bulk has connections of its own and stands in nobody's way";
        &[
            ("an_event_is_in_the_log_if_and_only_if_its_transaction_commits", NO_LOG),
            ("offsets_have_no_holes_after_failed_bodies", NO_LOG),
            ("records_of_one_key_keep_the_order_of_their_transactions", NO_LOG),
            ("a_topic_at_its_bound_refuses_and_goes_on_after_a_trim", NO_LOG),
            ("bytes_and_offsets_are_true_after_reopening", NO_LOG),
            ("readers_of_a_partition_are_woken_by_the_commit", NO_LOG),
            ("people_go_before_bulk", LANES),
            ("bulk_is_not_starved_by_people", LANES),
            (
                "the_write_ahead_log_stays_bounded_beside_constant_reading",
                "the server keeps its write-ahead log within max_wal_size by itself",
            ),
        ]
    }
}

tidings_store::conformance!(Postgres::fresh());
