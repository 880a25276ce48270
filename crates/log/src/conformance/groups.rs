//! Rules about groups: where one begins, where it goes on, and what can be seen of it.

use super::{Keeper, assigned, orders, partition, polled, put, values};
use crate::{GroupOffset, Log, Member, Start};

pub(super) async fn join(log: &dyn Log, group: &str, start: Start) -> Box<dyn Member> {
    log.join(group, &["orders".to_owned()], start).await.expect("it joins")
}

/// Everything that is kept.
pub async fn a_group_begins_at_the_earliest_record(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    for number in 0..5 {
        put(&*log, 0, &format!("{number}")).await;
    }
    keeper.forget(&partition(0), 2).await;
    let mut member = join(&*log, "group", Start::Earliest).await;
    assert_eq!(assigned(&mut *member).await, [partition(0)]);
    assert_eq!(values(&polled(&mut *member, 3).await), ["2", "3", "4"]);
}

/// And nothing that was there.
pub async fn a_group_that_begins_at_the_latest_sees_only_what_comes_after_it_joined(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    put(&*log, 0, "before").await;
    let mut member = join(&*log, "group", Start::Latest).await;
    assert_eq!(assigned(&mut *member).await, [partition(0)]);
    put(&*log, 0, "after").await;
    assert_eq!(values(&polled(&mut *member, 1).await), ["after"]);
}

/// After a restart, wherever it was told to begin.
pub async fn a_group_goes_on_where_it_committed(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    for number in 0..6 {
        put(&*log, 0, &format!("{number}")).await;
    }
    let mut member = join(&*log, "group", Start::Earliest).await;
    assert_eq!(polled(&mut *member, 4).await.len(), 4);
    member.commit(&[(partition(0), 4)]).await.expect("it commits");
    drop(member);
    drop(log);
    let log = orders(keeper, 1).await;
    let mut member = join(&*log, "group", Start::Latest).await;
    assert_eq!(values(&polled(&mut *member, 2).await), ["4", "5"]);
}

/// At least once.
pub async fn a_record_that_was_not_committed_comes_again(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    put(&*log, 0, "first").await;
    put(&*log, 0, "second").await;
    let mut member = join(&*log, "group", Start::Earliest).await;
    assert_eq!(values(&polled(&mut *member, 2).await), ["first", "second"]);
    member.commit(&[(partition(0), 1)]).await.expect("it commits");
    drop(member);
    let mut member = join(&*log, "group", Start::Earliest).await;
    assert_eq!(values(&polled(&mut *member, 1).await), ["second"]);
}

/// Each has its own place.
pub async fn groups_do_not_disturb_each_other(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    for number in 0..3 {
        put(&*log, 0, &format!("{number}")).await;
    }
    let mut one = join(&*log, "one", Start::Earliest).await;
    assert_eq!(polled(&mut *one, 3).await.len(), 3);
    one.commit(&[(partition(0), 3)]).await.expect("it commits");
    let mut other = join(&*log, "other", Start::Earliest).await;
    assert_eq!(assigned(&mut *other).await, [partition(0)], "groups share nothing");
    assert_eq!(values(&polled(&mut *other, 3).await), ["0", "1", "2"]);
}

/// Forwards and back.
pub async fn a_reset_moves_those_who_join_later(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    for number in 0..6 {
        put(&*log, 0, &format!("{number}")).await;
    }
    for (offset, wanted) in [(4, "4"), (1, "1")] {
        log.reset("group", partition(0), offset).await.expect("it is reset");
        let mut member = join(&*log, "group", Start::Earliest).await;
        assert_eq!(values(&polled(&mut *member, 1).await), [wanted]);
    }
    assert!(log.reset("group", partition(7), 0).await.is_err());
}

/// Lag is a difference of two numbers.
pub async fn group_offsets_say_how_far_a_group_is(keeper: &dyn Keeper) {
    let log = orders(keeper, 2).await;
    assert_eq!(log.group_offsets().await.expect("it is read"), []);
    for _ in 0..5 {
        put(&*log, 1, "value").await;
    }
    let mut member = join(&*log, "group", Start::Earliest).await;
    assert_eq!(polled(&mut *member, 3).await.len(), 3);
    member.commit(&[(partition(1), 3)]).await.expect("it commits");
    let offset =
        GroupOffset { group: "group".to_owned(), partition: partition(1), next_offset: 3, end_offset: 5 };
    assert_eq!(log.group_offsets().await.expect("it is read"), [offset]);
}
