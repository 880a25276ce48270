//! Planted bugs: each turns the suite of receipts, of typing or of presence red.

use tidings_model::planted;

use super::{
    presence::ten_seconds, receipts::by_their_own_word_and_to_who_sent_alone, typing::to_the_others_alone,
};

// A fault is the whole process's, so each of these runs alone: `make nightly` asks for them by name.

#[tokio::test(flavor = "multi_thread")]
#[ignore = "its fault is the whole process's; make nightly runs it alone"]
#[should_panic(expected = "who reads is not told of it")]
async fn a_reader_who_is_told_is_noticed() {
    planted::choose("reader_is_told");
    Box::pin(by_their_own_word_and_to_who_sent_alone()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "its fault is the whole process's; make nightly runs it alone"]
#[should_panic(expected = "what he confirms again is told to nobody")]
async fn a_status_that_goes_back_is_noticed() {
    planted::choose("status_goes_back");
    Box::pin(by_their_own_word_and_to_who_sent_alone()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "its fault is the whole process's; make nightly runs it alone"]
#[should_panic(expected = "he has confirmed nothing")]
async fn a_delivered_without_the_clients_word_is_noticed() {
    planted::choose("delivered_unheard");
    Box::pin(by_their_own_word_and_to_who_sent_alone()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "its fault is the whole process's; make nightly runs it alone"]
#[should_panic(expected = "who types is not shown it")]
async fn a_typist_who_is_shown_it_is_noticed() {
    planted::choose("typist_is_shown");
    Box::pin(to_the_others_alone()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "its fault is the whole process's; make nightly runs it alone"]
#[should_panic(expected = "he may be coming back")]
async fn an_absence_without_patience_is_noticed() {
    planted::choose("gone_at_once");
    Box::pin(ten_seconds()).await;
}
