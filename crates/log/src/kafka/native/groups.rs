//! What groups there are, who is in them, and how far they are.

use std::{ffi::CString, ptr, time::Duration};

use rdkafka::{
    ClientContext, Offset,
    client::Client,
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use rdkafka_sys as sys;

use super::{Answer, Held, Listed, all_listed, call, failure, list, partition_list, text};
use crate::{GroupMember, GroupState, TopicPartition};

/// The names of all groups of consumers.
pub(in crate::kafka) fn list_groups<C: ClientContext>(
    client: &Client<C>,
    limit: Duration,
) -> Answer<Vec<String>> {
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS;
    let event = call(client, operation, limit, |native, options, queue| {
        // SAFETY: all three live during the call.
        unsafe { sys::rd_kafka_ListConsumerGroups(native, options, queue) }
    })?;
    // SAFETY: the result and what it lends live as long as the event, which outlives this block; `count` is set
    // by the call that lends the list.
    unsafe {
        let result = sys::rd_kafka_event_ListConsumerGroups_result(event.get());
        if result.is_null() {
            return Err(KafkaError::AdminOp(Code::InvalidType));
        }
        let mut count = 0;
        let errors = sys::rd_kafka_ListConsumerGroups_result_errors(result, &raw mut count);
        for error in list(errors.cast_const(), count) {
            failure(*error)?;
        }
        let groups = sys::rd_kafka_ListConsumerGroups_result_valid(result, &raw mut count);
        let listed = list(groups.cast_const(), count)
            .iter()
            .map(|group| text(sys::rd_kafka_ConsumerGroupListing_group_id(*group)));
        Ok(listed.collect())
    }
}

/// The state of a group, and its members.
pub(in crate::kafka) fn describe_group<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    limit: Duration,
) -> Answer<GroupState> {
    let name = CString::new(group)?;
    let mut names = [name.as_ptr()];
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    let event = call(client, operation, limit, |native, options, queue| {
        // SAFETY: the names live during the call, which copies them.
        unsafe {
            sys::rd_kafka_DescribeConsumerGroups(native, names.as_mut_ptr(), names.len(), options, queue);
        }
    })?;
    // SAFETY: as in `list_groups`.
    unsafe {
        let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event.get());
        if result.is_null() {
            return Err(KafkaError::AdminOp(Code::InvalidType));
        }
        let mut count = 0;
        let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        let Some(group) = list(groups.cast_const(), count).first().copied() else {
            return Err(KafkaError::AdminOp(Code::GroupIdNotFound));
        };
        failure(sys::rd_kafka_ConsumerGroupDescription_error(group))?;
        let state = text(sys::rd_kafka_consumer_group_state_name(
            sys::rd_kafka_ConsumerGroupDescription_state(group),
        ));
        let members = 0..sys::rd_kafka_ConsumerGroupDescription_member_count(group);
        let members = members.map(|at| {
            let member = sys::rd_kafka_ConsumerGroupDescription_member(group, at);
            let assignment = sys::rd_kafka_MemberDescription_assignment(member);
            let partitions = if assignment.is_null() {
                Vec::new()
            } else {
                all_listed(sys::rd_kafka_MemberAssignment_partitions(assignment))
            };
            GroupMember {
                member: text(sys::rd_kafka_MemberDescription_consumer_id(member)),
                client: text(sys::rd_kafka_MemberDescription_client_id(member)),
                host: text(sys::rd_kafka_MemberDescription_host(member)),
                partitions: partitions.into_iter().map(|listed| listed.partition).collect(),
            }
        });
        Ok(GroupState { state, members: members.collect() })
    }
}

/// What a group committed, wherever it did.
pub(in crate::kafka) fn group_offsets<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    limit: Duration,
) -> Answer<Vec<(TopicPartition, u64)>> {
    let name = CString::new(group)?;
    // SAFETY: the name lives during the call, which copies it; no list means all partitions.
    let request = unsafe { sys::rd_kafka_ListConsumerGroupOffsets_new(name.as_ptr(), ptr::null()) };
    let request = Held::new(request, sys::rd_kafka_ListConsumerGroupOffsets_destroy)?;
    let mut requests = [request.get()];
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;
    let event = call(client, operation, limit, |native, options, queue| {
        // SAFETY: the request lives during the call, which copies it.
        unsafe { sys::rd_kafka_ListConsumerGroupOffsets(native, requests.as_mut_ptr(), 1, options, queue) }
    })?;
    // SAFETY: as in `list_groups`.
    let partitions = unsafe {
        let result = sys::rd_kafka_event_ListConsumerGroupOffsets_result(event.get());
        if result.is_null() {
            return Err(KafkaError::AdminOp(Code::InvalidType));
        }
        let mut count = 0;
        let groups = sys::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
        of_one_group(groups.cast_const(), count)?
    };
    let committed = partitions.into_iter().filter(|listed| listed.failed.is_none());
    Ok(committed.filter_map(|listed| Some((listed.partition, u64::try_from(listed.offset).ok()?))).collect())
}

/// Sets what a group without members committed.
pub(in crate::kafka) fn set_group_offset<C: ClientContext>(
    client: &Client<C>,
    group: &str,
    partition: &TopicPartition,
    next_offset: u64,
    limit: Duration,
) -> Answer<()> {
    let offset =
        i64::try_from(next_offset).map_err(|_too_large| KafkaError::AdminOp(Code::InvalidArgument))?;
    let name = CString::new(group)?;
    let wanted = partition_list(&[(partition.clone(), Offset::Offset(offset))])?;
    // SAFETY: name and list live during the call, which copies them.
    let request = unsafe { sys::rd_kafka_AlterConsumerGroupOffsets_new(name.as_ptr(), wanted.ptr()) };
    let request = Held::new(request, sys::rd_kafka_AlterConsumerGroupOffsets_destroy)?;
    let mut requests = [request.get()];
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS;
    let event = call(client, operation, limit, |native, options, queue| {
        // SAFETY: the request lives during the call, which copies it.
        unsafe { sys::rd_kafka_AlterConsumerGroupOffsets(native, requests.as_mut_ptr(), 1, options, queue) }
    })?;
    // SAFETY: as in `list_groups`.
    let partitions = unsafe {
        let result = sys::rd_kafka_event_AlterConsumerGroupOffsets_result(event.get());
        if result.is_null() {
            return Err(KafkaError::AdminOp(Code::InvalidType));
        }
        let mut count = 0;
        let groups = sys::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &raw mut count);
        of_one_group(groups.cast_const(), count)?
    };
    partitions.iter().find_map(|listed| listed.failed).map_or(Ok(()), |code| Err(KafkaError::AdminOp(code)))
}

/// The partitions of an answer about one group.
///
/// # Safety
/// `groups` is null or points to `count` results that live during the call.
unsafe fn of_one_group(
    groups: *const *const sys::rd_kafka_group_result_t,
    count: usize,
) -> Answer<Vec<Listed>> {
    // SAFETY: as the caller promises.
    unsafe {
        let Some(group) = list(groups, count).first().copied() else { return Ok(Vec::new()) };
        failure(sys::rd_kafka_group_result_error(group))?;
        Ok(all_listed(sys::rd_kafka_group_result_partitions(group)))
    }
}

/// Whether a client is, or is about to be, a member of its group, by the classic protocol.
pub(in crate::kafka) fn is_member<C: ClientContext>(client: &Client<C>) -> bool {
    let native = client.native_ptr();
    // SAFETY: the client is borrowed. Its member's id, if it has one, is a string that is ours to free.
    unsafe {
        let id = sys::rd_kafka_memberid(native);
        if id.is_null() {
            return false;
        }
        let is_member = *id != 0;
        sys::rd_kafka_mem_free(native, id.cast());
        is_member
    }
}
