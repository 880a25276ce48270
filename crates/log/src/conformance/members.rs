//! Rules about the members of a group: they share, hand over, pause and seek.

use std::{collections::BTreeSet, time::Duration};

use tidings_model::Record;

use super::{Keeper, assigned, groups::join, orders, partition, polled, put, soon, values};
use crate::{Member, Polled, Start, TopicPartition};

/// How long one member is asked before the next: another may have to answer first.
const TURN: Duration = Duration::from_millis(20);

/// Polls the members by turns until together they hold all partitions of `orders`, each of them some.
async fn settle(members: &mut [Box<dyn Member>], partitions: u32) -> Vec<Vec<TopicPartition>> {
    settle_and_read(members, partitions, &mut Vec::new()).await
}

/// The same, with the records that they are given meanwhile.
async fn settle_and_read(
    members: &mut [Box<dyn Member>],
    partitions: u32,
    read: &mut Vec<Record>,
) -> Vec<Vec<TopicPartition>> {
    let all: BTreeSet<TopicPartition> = (0..partitions).map(partition).collect();
    let mut shares: Vec<Vec<TopicPartition>> = vec![Vec::new(); members.len()];
    let settling = async {
        loop {
            for (member, share) in members.iter_mut().zip(&mut shares) {
                let Ok(polled) = tokio::time::timeout(TURN, member.poll(1)).await else { continue };
                match polled.expect("a member polls") {
                    Polled::Assigned(partitions) => *share = partitions,
                    Polled::Records(records) => read.extend(records),
                }
            }
            let held: Vec<_> = shares.iter().flatten().cloned().collect();
            let nobody_twice = held.len() == all.len();
            let everything = held.into_iter().collect::<BTreeSet<_>>() == all;
            if nobody_twice && everything && shares.iter().all(|share| !share.is_empty()) {
                return;
            }
        }
    };
    soon("a share for each member", settling).await;
    shares
}

/// Each partition has one owner, and each owner a partition.
pub async fn members_share_the_partitions(keeper: &dyn Keeper) {
    let log = orders(keeper, 4).await;
    let mut members = vec![join(&*log, "group", Start::Earliest).await];
    assert_eq!(settle(&mut members, 4).await[0].len(), 4);
    members.push(join(&*log, "group", Start::Earliest).await);
    let shares = settle(&mut members, 4).await;
    for (member, share) in members.iter_mut().zip(shares) {
        for of in share {
            put(&*log, of.partition, "a value").await;
            let records = polled(&mut **member, 1).await;
            assert_eq!(records[0].partition, of.partition, "the owner reads it");
        }
    }
}

/// Who takes over comes after who gave back, however slow that one is.
pub async fn a_partition_is_given_to_nobody_while_another_holds_it(keeper: &dyn Keeper) {
    let log = orders(keeper, 4).await;
    let mut slow = join(&*log, "group", Start::Earliest).await;
    assert_eq!(assigned(&mut *slow).await.len(), 4);
    let mut quick = join(&*log, "group", Start::Earliest).await;
    // The slow one has not asked since.
    while let Ok(polled) = tokio::time::timeout(TURN, quick.poll(1)).await {
        let Polled::Assigned(partitions) = polled.expect("a member polls") else { continue };
        assert_eq!(partitions, [], "they are still the other's");
    }
    settle(&mut [slow, quick], 4).await;
}

/// Nothing stays without an owner, and its committed place is where the next one begins.
pub async fn a_member_that_leaves_hands_its_partitions_over(keeper: &dyn Keeper) {
    let log = orders(keeper, 4).await;
    let mut members =
        vec![join(&*log, "group", Start::Earliest).await, join(&*log, "group", Start::Earliest).await];
    let share = settle(&mut members, 4).await.remove(0);
    for of in 0..4 {
        put(&*log, of, "first").await;
        put(&*log, of, "second").await;
    }
    polled(&mut *members[0], share.len() * 2).await;
    for of in &share {
        members[0].commit(&[(of.clone(), 1)]).await.expect("it commits");
    }
    members.remove(0);
    // What the other one had read, it does not read again; the rest comes from where the first one committed.
    let mut records = Vec::new();
    settle_and_read(&mut members, 4, &mut records).await;
    let wanted = 2 * (4 - share.len()) + share.len();
    records.extend(polled(&mut *members[0], wanted.saturating_sub(records.len())).await);
    let read: BTreeSet<(u32, u64)> = records.iter().map(|record| (record.partition, record.offset)).collect();
    for of in 0..4 {
        assert_eq!(read.contains(&(of, 0)), !share.contains(&partition(of)), "{read:?}");
        assert!(read.contains(&(of, 1)), "{read:?}");
    }
}

/// For the one record that has to wait.
pub async fn a_paused_partition_is_left_unread_and_the_others_go_on(keeper: &dyn Keeper) {
    let log = orders(keeper, 2).await;
    let mut member = join(&*log, "group", Start::Earliest).await;
    assert_eq!(assigned(&mut *member).await.len(), 2);
    member.pause(&partition(0));
    put(&*log, 0, "waits").await;
    for number in 0..5 {
        put(&*log, 1, &format!("{number}")).await;
        assert_eq!(values(&polled(&mut *member, 1).await), [format!("{number}")]);
    }
    member.resume(&partition(0));
    assert_eq!(values(&polled(&mut *member, 1).await), ["waits"]);
}

/// Forwards and back.
pub async fn a_member_reads_on_from_where_it_seeks(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    for number in 0..6 {
        put(&*log, 0, &format!("{number}")).await;
    }
    let mut member = join(&*log, "group", Start::Earliest).await;
    assert_eq!(values(&polled(&mut *member, 2).await), ["0", "1"]);
    member.seek(&partition(0), 4);
    assert_eq!(values(&polled(&mut *member, 2).await), ["4", "5"]);
    member.seek(&partition(0), 0);
    assert_eq!(values(&polled(&mut *member, 6).await).len(), 6);
}

/// A caller may stop waiting at any moment.
pub async fn a_poll_that_is_given_up_loses_nothing(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    let mut member = join(&*log, "group", Start::Earliest).await;
    assert_eq!(assigned(&mut *member).await, [partition(0)]);
    let mut read = Vec::new();
    for number in 0..50 {
        put(&*log, 0, &format!("{number:02}")).await;
        // Given up after one look, whatever it has begun.
        let looked = tokio::select! {
            biased;
            polled = member.poll(10) => Some(polled.expect("a member polls")),
            () = tokio::task::yield_now() => None,
        };
        if let Some(Polled::Records(records)) = looked {
            read.extend(values(&records));
        }
    }
    read.extend(values(&polled(&mut *member, 50 - read.len()).await));
    assert_eq!(read, (0..50).map(|number| format!("{number:02}")).collect::<Vec<_>>());
}

/// However much lies in one partition.
pub async fn a_busy_partition_does_not_starve_the_others(keeper: &dyn Keeper) {
    let log = orders(keeper, 2).await;
    for _ in 0..200 {
        put(&*log, 0, "one of many").await;
    }
    put(&*log, 1, "the only one").await;
    let mut member = join(&*log, "group", Start::Earliest).await;
    let mut polls = 0;
    loop {
        let Polled::Records(records) = soon("records", member.poll(10)).await.expect("a member polls") else {
            continue;
        };
        polls += 1;
        if records.iter().any(|record| record.partition == 1) {
            break;
        }
    }
    // In the first polls, what of it is read ahead may still be on its way.
    assert!(polls <= 5, "the other partition came after {polls} of 20 polls");
}
