//! Members come, leave and are killed while records are written, with both protocols of groups.

use std::time::{Duration, Instant};

use tidings_log::{GroupProtocol, Log, Start};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

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

/// Joins a group first, so that whoever comes later waits until this one shares out the partitions.
struct First {
    line: TcpStream,
    group: String,
    round: [u8; 4],
    member: String,
}

/// Text as Kafka's requests have it.
fn text(text: &str) -> Vec<u8> {
    let length = i16::try_from(text.len()).expect("it is short");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

impl First {
    async fn join(brokers: &[String], group: &str) -> Self {
        let line = TcpStream::connect(&brokers[0]).await.expect("the broker answers");
        let mut first = Self { line, group: group.to_owned(), round: [0; 4], member: String::new() };
        // A broker that has just begun is nobody's coordinator yet.
        let joined = async { while !first.join_again().await {} };
        tokio::time::timeout(Duration::from_secs(20), joined).await.expect("it joins");
        first
    }

    /// Sends `JoinGroup`, version 2 of it, and keeps round and id that it is answered with; whether there are any.
    async fn join_again(&mut self) -> bool {
        let session = 30_000_i32.to_be_bytes();
        // Subscribed to nothing, and without more to say.
        let subscription = [0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
        let request = [
            &[0, 11, 0, 2, 0, 0, 0, 1][..],
            &text("first"),
            &text(&self.group),
            &session,
            &session,
            &text(&self.member),
            &text("consumer"),
            &1_i32.to_be_bytes(),
            &text("cooperative-sticky"),
            &10_i32.to_be_bytes(),
            &subscription,
        ];
        let answer = self.ask(&request.concat()).await;
        if answer[8..10] != [0, 0] {
            return false;
        }
        self.round.copy_from_slice(&answer[10..14]);
        // The names of protocol, leader and member follow.
        let mut rest = &answer[14..];
        for _name in 0..3 {
            let (length, behind) = rest.split_at(2);
            let (name, behind) = behind.split_at(usize::from(u16::from_be_bytes([length[0], length[1]])));
            self.member = String::from_utf8_lossy(name).into_owned();
            rest = behind;
        }
        true
    }

    /// Sends `SyncGroup`, version 1 of it, which leaves nothing to anybody.
    async fn share_out(&mut self) {
        let request = [
            &[0, 14, 0, 1, 0, 0, 0, 2][..],
            &text("first"),
            &text(&self.group),
            &self.round,
            &text(&self.member),
            &0_i32.to_be_bytes(),
        ];
        self.ask(&request.concat()).await;
    }

    async fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        let size = u32::try_from(request.len()).expect("it is short");
        self.line.write_u32(size).await.expect("it is sent");
        self.line.write_all(request).await.expect("it is sent");
        let size = self.line.read_u32().await.expect("it is answered");
        let mut answer = vec![0; usize::try_from(size).expect("it is short")];
        self.line.read_exact(&mut answer).await.expect("it is answered");
        answer
    }
}

/// A member that waits for its share leaves all the same, and what it is answered afterwards is nothing to it.
/// librdkafka 2.12 ends the process there, unless the member gives up what it subscribed to before it closes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_waits_for_its_share_leaves_and_the_process_goes_on() {
    pass_over!(shared().err());
    let brokers = shared().expect("asked for before");
    let log = connect(brokers.clone(), GroupProtocol::Classic).await;
    let topic = topic(&log, 1).await;
    for _time in 0..5 {
        let group = unique();
        // Who asks for a group's coordinator makes the first broker one.
        drop(log.group(&group).await);
        let mut first = First::join(&brokers, &group).await;
        let mut member =
            log.join(&group, std::slice::from_ref(&topic), Start::Earliest).await.expect("it joins");
        let until = |state: &'static str, members: usize| {
            let (log, group) = (&log, &group);
            let reached = async move {
                while !log.group(group).await.is_ok_and(|is| is.state == state && is.members.len() == members)
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(8), reached)
        };
        until("PreparingRebalance", 2).await.expect("the other one comes");
        assert!(first.join_again().await);
        until("CompletingRebalance", 2).await.expect("both wait");
        tokio::select! {
            polled = member.poll(1) => panic!("nobody shared out anything: {polled:?}"),
            () = std::future::ready(()) => {}
        }
        drop(member);
        first.share_out().await;
        until("PreparingRebalance", 1).await.expect("it leaves before its session ends");
    }
}
