//! A planted bug turns the suite of the webhook red.

use tidings_model::planted;

use super::pending_alone;

// The fault is the whole process's, so this runs alone: `make nightly` asks for it by name.

#[tokio::test(flavor = "multi_thread")]
#[ignore = "its fault is the whole process's; make nightly runs it alone"]
#[should_panic(expected = "who has it, who muted it and who is spared it are not called for")]
async fn a_call_for_what_was_confirmed_is_noticed() {
    planted::choose("webhook_calls_all");
    Box::pin(pending_alone()).await;
}
