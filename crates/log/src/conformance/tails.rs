//! Rules about tails: readers of one partition, each for itself, without a group.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use super::{Keeper, orders, partition, put, soon, tailed, values};
use crate::Start;

/// Wherever it is told to.
pub async fn a_tail_reads_from_the_earliest_the_latest_or_an_offset(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    for number in 0..5 {
        put(&*log, 0, &format!("{number}")).await;
    }
    let open = async |start| log.tail(partition(0), start).await.expect("it opens");
    let (mut earliest, mut latest, mut at, mut ahead) = (
        open(Start::Earliest).await,
        open(Start::Latest).await,
        open(Start::At(3)).await,
        open(Start::At(6)).await,
    );
    assert_eq!((earliest.position(), latest.position(), at.position(), ahead.position()), (0, 5, 3, 6));
    let are_ahead = [&earliest, &latest, &at, &ahead].map(|tail| tail.is_ahead());
    assert_eq!(are_ahead, [false, false, false, true]);
    assert!(open(Start::At(5)).await.is_ahead() && !open(Start::At(4)).await.is_ahead());
    put(&*log, 0, "5").await;
    put(&*log, 0, "6").await;
    assert_eq!(tailed(&mut *earliest, 3).await, ["0", "1", "2"]);
    assert_eq!(earliest.position(), 3);
    assert_eq!(tailed(&mut *latest, 2).await, ["5", "6"]);
    assert_eq!(tailed(&mut *at, 2).await, ["3", "4"]);
    assert_eq!(tailed(&mut *ahead, 1).await, ["6"]);
}

/// Retention is no error; the hole shows in the offsets.
pub async fn a_tail_whose_place_was_forgotten_goes_on_at_the_oldest(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    for number in 0..6 {
        put(&*log, 0, &format!("{number}")).await;
    }
    let mut slow = log.tail(partition(0), Start::At(1)).await.expect("it opens");
    keeper.forget(&partition(0), 4).await;
    let records = soon("the oldest record", slow.next(1)).await.expect("a tail reads");
    assert_eq!((records[0].offset, values(&records)), (4, vec!["4".to_owned()]));
    let mut earliest = log.tail(partition(0), Start::Earliest).await.expect("it opens");
    assert_eq!(tailed(&mut *earliest, 2).await, ["4", "5"]);
    assert_eq!(tailed(&mut *slow, 1).await, ["5"], "it goes on from there");
    // Also when nothing is left.
    keeper.forget(&partition(0), 6).await;
    let mut none = log.tail(partition(0), Start::At(2)).await.expect("it opens");
    put(&*log, 0, "6").await;
    assert_eq!(tailed(&mut *none, 1).await, ["6"]);
    assert_eq!(tailed(&mut *slow, 1).await, ["6"]);
}

/// Counts how often a reader is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A thousand idle tails cost nothing.
pub async fn a_tail_is_woken_by_an_append_and_by_nothing_else(keeper: &dyn Keeper) {
    let log = orders(keeper, 2).await;
    let mut tail = log.tail(partition(0), Start::Latest).await.expect("it opens");
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut next = pin!(tail.next(10));
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    for _ in 0..50 {
        put(&*log, 1, "of another partition").await;
    }
    assert_eq!(woken.0.load(Ordering::SeqCst), 0, "nothing for it has come");
    put(&*log, 0, "a value").await;
    let reading = std::future::poll_fn(|context| {
        if woken.0.load(Ordering::SeqCst) == 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        next.as_mut().poll(context)
    });
    let records = soon("the record", reading).await.expect("a tail reads");
    assert_eq!(values(&records), ["a value"]);
}

/// What one has read, the others read too.
pub async fn tails_see_everything_each_for_itself(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    let mut one = log.tail(partition(0), Start::Latest).await.expect("it opens");
    let mut other = log.tail(partition(0), Start::Latest).await.expect("it opens");
    let wanted: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
    let writing = async {
        for value in &wanted {
            put(&*log, 0, value).await;
        }
    };
    let (read, read_too, ()) = tokio::join!(tailed(&mut *one, 100), tailed(&mut *other, 100), writing);
    assert_eq!(read, wanted);
    assert_eq!(read_too, wanted);
}
