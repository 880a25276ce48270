//! Where partitions begin and end.

use std::time::Duration;

use rdkafka::{
    ClientContext, Offset,
    client::Client,
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use rdkafka_sys as sys;

use super::{Answer, Listed, all_listed, in_ms, partition_list};
use crate::TopicPartition;

/// Partitions that are asked for at once: librdkafka looks each answer up among all that were asked for.
const AT_ONCE: usize = 256;

/// Where partitions begin (`Offset::Beginning`) or end (`Offset::End`); a partition that cannot say is left out.
pub(in crate::kafka) fn list_offsets<C: ClientContext>(
    client: &Client<C>,
    partitions: &[TopicPartition],
    which: Offset,
    limit: Duration,
) -> Answer<Vec<(TopicPartition, u64)>> {
    let mut found = Vec::with_capacity(partitions.len());
    for some in partitions.chunks(AT_ONCE) {
        found.extend(ask(client, some, which, limit)?);
    }
    // One that failed says why for all, if none is known.
    if let Some(code) = found
        .iter()
        .find_map(|found| found.failed)
        .filter(|_| found.iter().all(|found| found.failed.is_some()))
    {
        return Err(KafkaError::AdminOp(code));
    }
    let known = found.into_iter().filter(|found| found.failed.is_none());
    Ok(known.filter_map(|found| Some((found.partition, u64::try_from(found.offset).ok()?))).collect())
}

/// Asks as a reader does. The administrator's call for the same, `ListOffsets`, begins on the caller's thread and may
/// be gone on with by the client's own at the same time, which ends the process (librdkafka 2.12).
fn ask<C: ClientContext>(
    client: &Client<C>,
    partitions: &[TopicPartition],
    which: Offset,
    limit: Duration,
) -> Answer<Vec<Listed>> {
    let wanted: Vec<_> = partitions.iter().map(|partition| (partition.clone(), which)).collect();
    // An offset of this list is what is asked for, -2 the first, -1 the one after the last; then what is answered.
    let wanted = partition_list(&wanted)?;
    // SAFETY: the client is borrowed and the list ours; the call waits for all answers, and keeps nothing.
    let asked = unsafe { sys::rd_kafka_offsets_for_times(client.native_ptr(), wanted.ptr(), in_ms(limit)) };
    let code: Code = asked.into();
    match (code, partitions) {
        // Where no partition has a leader, each says so itself.
        (Code::NoError | Code::UnknownPartition, _) => {
            // SAFETY: the list is alive.
            Ok(unsafe { all_listed(wanted.ptr()) })
        }
        // What a broker says of one partition (its codes are positive) hides what it says of the others.
        (_, [alone]) if asked as i32 > 0 => {
            Ok(vec![Listed { partition: alone.clone(), offset: -1, failed: Some(code) }])
        }
        (_, several) if asked as i32 > 0 => {
            let (left, right) = several.split_at(several.len() / 2);
            let mut found = ask(client, left, which, limit)?;
            found.extend(ask(client, right, which, limit)?);
            Ok(found)
        }
        _ => Err(KafkaError::AdminOp(code)),
    }
}
