//! Where partitions begin and end.

use std::time::Duration;

use rdkafka::{
    ClientContext, Offset,
    client::Client,
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use rdkafka_sys as sys;

use super::{Answer, Listed, call, list, listed, partition_list};
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

fn ask<C: ClientContext>(
    client: &Client<C>,
    partitions: &[TopicPartition],
    which: Offset,
    limit: Duration,
) -> Answer<Vec<Listed>> {
    let wanted: Vec<_> = partitions.iter().map(|partition| (partition.clone(), which)).collect();
    // An offset of this list is what is asked for: -2 the first, -1 the one after the last.
    let wanted = partition_list(&wanted)?;
    let event = call(
        client,
        sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS,
        limit,
        |native, options, queue| {
            // SAFETY: all four live during the call, which copies what it needs.
            unsafe { sys::rd_kafka_ListOffsets(native, wanted.ptr(), options, queue) }
        },
    )?;
    // SAFETY: the result and what it lends live as long as the event, which outlives this block; `count` is set
    // by the call that lends the list.
    unsafe {
        let result = sys::rd_kafka_event_ListOffsets_result(event.get());
        if result.is_null() {
            return Err(KafkaError::AdminOp(Code::InvalidType));
        }
        let mut count = 0;
        let infos = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
        let infos = list(infos.cast_const(), count).iter();
        let found =
            infos.filter_map(|info| listed(sys::rd_kafka_ListOffsetsResultInfo_topic_partition(*info)));
        Ok(found.collect())
    }
}
