//! How much a job takes.

use tidings_log::TopicPartition;
use tidings_model::{Record, Timestamp};

use super::*;
use crate::job::{Landed, Report};

fn records(offsets: Range<u64>) -> Vec<Record> {
    let record = |offset| Record {
        topic: "orders".to_owned(),
        partition: 0,
        offset,
        time: Timestamp(0),
        key: None,
        headers: Vec::new(),
        value: None,
    };
    offsets.map(record).collect()
}

#[tokio::test]
async fn a_job_asks_for_about_as_many_records_as_the_last_one_could_do() {
    let at = TopicPartition { topic: "orders".to_owned(), partition: 0 };
    let claim = Claim { group: "group".into(), at, epoch: 1, numbers: Arc::default() };
    let now = Instant::now();
    let mut partition = Partition::new(claim, Window::at(0), Vec::new(), 1_000, &Limits::default(), now);
    partition.take(records(0..9_000), now);
    let mut done_upto = 0_u64;
    // What a job takes, and what it then does of that.
    for (takes, does) in
        [(100, 100), (200, 200), (400, 400), (800, 800), (1_000, 700), (1_000, 30), (100, 0), (100, 100)]
    {
        let mut jobs = partition.jobs(now);
        let Some(Task::Fresh { slot, records }) = jobs.pop().map(|job| job.task) else {
            panic!("there is a job")
        };
        assert_eq!((records.len(), records[0].record.offset), (takes, done_upto));
        done_upto += does as u64;
        let report = Report { done: does, window: Some(Window::at(done_upto)), ..Report::default() };
        partition.landed(Landed { task: Task::Fresh { slot, records }, report }, now);
    }
    assert_eq!(partition.next_offset(), done_upto);
}
