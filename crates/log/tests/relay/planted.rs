//! A planted bug: a suite that cannot turn red proves nothing by being green.

use tidings_model::planted;

use crate::{faults::woken_in_the_other_order, world::World};

// The fault is the whole process's, so it runs alone: `scripts/test` asks for it by name.
#[ignore = "plants a fault; scripts/test runs it alone"]
#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn a_relay_that_numbers_without_its_lease_loses_an_event() {
    planted::choose("relay_lease_not_asserted");
    assert_eq!(
        woken_in_the_other_order(World::sqlite().await).await,
        [0, 1, 2],
        "the last number is never read"
    );
}
