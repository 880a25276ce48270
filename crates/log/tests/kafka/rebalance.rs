//! Members come, leave and are killed while records are written, with both protocols of groups.

use std::time::{Duration, Instant};

use tidings_log::{GroupProtocol, Log, Start};

use crate::{
    child::Member,
    reading::Party,
    world::{connect, numbered, pass_over, shared, topic, unique, without_newer_groups},
};

const PARTITIONS: u32 = 6;
const RECORDS: u64 = 300;

/// Writes while members come and leave; what was written is read, by its owners alone.
async fn come_and_go(groups: GroupProtocol) -> (usize, usize) {
    let log = connect(shared().expect("asked for before"), groups).await;
    let topic = topic(&log, PARTITIONS).await;
    let mut party = Party::new(&log, &topic);
    let first = party.come();
    let writing = async {
        for number in 0..RECORDS {
            for partition in 0..PARTITIONS {
                log.produce(numbered(&topic, partition, number)).await.expect("it is written");
            }
        }
    };
    let seen = std::sync::Arc::clone(&party.seen);
    let changing = async {
        seen.until("one member holds all", |seen| seen.shares().len() == 1 && seen.shares()[&first] == 6)
            .await;
        let second = party.come();
        seen.until("two share", |seen| seen.shares().len() == 2).await;
        let third = party.come();
        seen.until("three share evenly", |seen| seen.shares().values().all(|held| *held == 2)).await;
        party.go(first);
        seen.until("one left", |seen| !seen.shares().contains_key(&first)).await;
        party.go(third);
        seen.until("two left", |seen| seen.shares().get(&second) == Some(&6)).await;
    };
    tokio::join!(writing, changing);
    let all = usize::try_from(RECORDS).expect("it is small") * PARTITIONS as usize;
    seen.until("all is read", |seen| seen.counts().0 == all).await;
    party.end().await;
    seen.counts()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_and_nothing_is_lost_or_read_by_two() {
    pass_over!(shared().err());
    let (places, repeats) = come_and_go(GroupProtocol::Classic).await;
    println!("{places} places, {repeats} repeats");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_the_newer_protocol_come_and_go_and_nothing_is_lost_or_read_by_two() {
    pass_over!(without_newer_groups());
    let (places, repeats) = come_and_go(GroupProtocol::Consumer).await;
    println!("{places} places, {repeats} repeats");
}

/// A member is killed; the others take over what it held, where it had committed, within 15 s.
async fn killed(groups: GroupProtocol) -> Duration {
    let log = connect(shared().expect("asked for before"), groups).await;
    let topic = topic(&log, PARTITIONS).await;
    let mut party = Party::new(&log, &topic);
    let first = party.come();
    let seen = std::sync::Arc::clone(&party.seen);
    seen.until("one member holds all", |seen| seen.shares().get(&first) == Some(&6)).await;
    let mut other = Member::start(&topic, groups);
    let group = format!("{topic}-group");
    let shared = async {
        while log.group(&group).await.expect("it is described").members.len() < 2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(crate::reading::LIMIT, shared).await.expect("it joins");
    for number in 0..RECORDS {
        for partition in 0..PARTITIONS {
            log.produce(numbered(&topic, partition, number)).await.expect("it is written");
        }
    }
    other.kill();
    let at = Instant::now();
    // Who is alone has to hear of it: from here on all that is written is read here.
    for partition in 0..PARTITIONS {
        log.produce(numbered(&topic, partition, RECORDS)).await.expect("it is written");
    }
    let last = |seen: &crate::reading::Seen| (0..PARTITIONS).all(|partition| seen.has(partition, RECORDS));
    seen.until("what the other held is taken over", last).await;
    let took = at.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    // Nothing lies before what the group committed that was not read by one of the two.
    let offsets = log.group_offsets().await.expect("it is asked");
    let ours = offsets.iter().filter(|offset| offset.group == group);
    assert_eq!(ours.clone().count(), PARTITIONS as usize);
    party.end().await;
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_member_is_followed_within_fifteen_seconds() {
    pass_over!(shared().err());
    println!("taken over within {:?}", killed(GroupProtocol::Classic).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_member_of_the_newer_protocol_is_followed_within_fifteen_seconds() {
    pass_over!(without_newer_groups());
    println!("taken over within {:?}", killed(GroupProtocol::Consumer).await);
}

/// Leaving waits for the group's word on what was given up, so nobody may be left waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_leaves_at_any_moment() {
    pass_over!(shared().err());
    let log = connect(shared().expect("asked for before"), GroupProtocol::Classic).await;
    let topic = topic(&log, 2).await;
    for polls in 0..3 {
        let group = unique();
        let mut member =
            log.join(&group, std::slice::from_ref(&topic), Start::Earliest).await.expect("it joins");
        for _ in 0..polls {
            // The first one tells what is assigned, the second begins with it; there is nothing to read.
            drop(tokio::time::timeout(Duration::from_secs(5), member.poll(1)).await);
        }
        drop(member);
        let left = async {
            while log.group(&group).await.is_ok_and(|group| !group.members.is_empty()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(8), left).await.expect("it leaves before its session ends");
    }
}
