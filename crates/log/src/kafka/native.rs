//! The calls of librdkafka that its wrapper lacks or cannot do safely: what groups there are and how far they are,
//! where partitions begin and end, whether a client is a member, headers with any bytes in their names, and naming brokers
//! to a client again.
//!
//! The only module with `unsafe`. Whatever librdkafka hands out to keep is held by [`Held`], which destroys it once;
//! whatever it lends lives as long as the event it lies in, and is copied before that ends. All calls block: they are
//! made on threads for blocking work.
#![expect(unsafe_code, reason = "librdkafka is a C library, and its wrapper has no safe form of these calls")]

mod brokers;
mod groups;
mod headers;
mod offsets;

use std::{
    ffi::{CStr, c_char},
    ptr::{self, NonNull},
    time::Duration,
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    client::Client,
    error::{IsError, KafkaError, RDKafkaErrorCode as Code},
};
use rdkafka_sys as sys;

pub(super) use self::{
    brokers::{Bootstrap, name_brokers},
    groups::{describe_group, group_offsets, is_member, list_groups, set_group_offset},
    headers::headers,
    offsets::list_offsets,
};

use crate::TopicPartition;

/// What a call answers with: a value, or why there is none.
type Answer<T> = Result<T, KafkaError>;

/// Something that librdkafka gave us to keep, destroyed when we let go of it.
struct Held<T> {
    pointer: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Held<T> {
    /// Takes over `pointer`; what librdkafka could not make is an error.
    fn new(pointer: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Answer<Self> {
        let pointer = NonNull::new(pointer).ok_or(KafkaError::AdminOp(Code::CriticalSystemResource))?;
        Ok(Self { pointer, destroy })
    }

    fn get(&self) -> *mut T {
        self.pointer.as_ptr()
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer was given to us to keep, `destroy` is its destructor, and nobody else calls it.
        unsafe { (self.destroy)(self.pointer.as_ptr()) }
    }
}

/// A limit as librdkafka takes it.
fn in_ms(limit: Duration) -> i32 {
    i32::try_from(limit.as_millis()).unwrap_or(i32::MAX)
}

/// Asks by `ask` and waits for the answer, at most `limit`.
fn call<C: ClientContext>(
    client: &Client<C>,
    operation: sys::rd_kafka_admin_op_t,
    limit: Duration,
    ask: impl FnOnce(*mut sys::rd_kafka_t, *const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
) -> Answer<Held<sys::rd_kafka_event_t>> {
    let limit_ms = in_ms(limit);
    let native = client.native_ptr();
    // SAFETY: `native` lives as long as `client`, which is borrowed; options and queue are destroyed by `Held`
    // before it, in the reverse order of their making. The buffer for the error has the length that is told.
    let (options, queue) = unsafe {
        let options =
            Held::new(sys::rd_kafka_AdminOptions_new(native, operation), sys::rd_kafka_AdminOptions_destroy)?;
        let mut error: [c_char; 256] = [0; 256];
        let set = sys::rd_kafka_AdminOptions_set_request_timeout(
            options.get(),
            limit_ms,
            error.as_mut_ptr(),
            error.len(),
        );
        if set.is_error() {
            return Err(KafkaError::AdminOp(set.into()));
        }
        (options, Held::new(sys::rd_kafka_queue_new(native), sys::rd_kafka_queue_destroy)?)
    };
    ask(native, options.get(), queue.get());
    // librdkafka answers in any case; a little later than it was told is still its word.
    // SAFETY: the queue is ours and alive. The event is ours to destroy.
    let event = unsafe { sys::rd_kafka_queue_poll(queue.get(), limit_ms.saturating_add(1000)) };
    if event.is_null() {
        return Err(KafkaError::AdminOp(Code::OperationTimedOut));
    }
    let event = Held::new(event, sys::rd_kafka_event_destroy)?;
    // SAFETY: the event is alive.
    let failed = unsafe { sys::rd_kafka_event_error(event.get()) };
    if failed.is_error() { Err(KafkaError::AdminOp(failed.into())) } else { Ok(event) }
}

/// Text that librdkafka lends; what is no UTF-8 is shown with replacement characters.
///
/// # Safety
/// `text` is null or a string that ends with a zero and lives during the call.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A list that librdkafka lends.
///
/// # Safety
/// `first` is null or points to `count` elements that live as long as `'a`.
unsafe fn list<'a, T>(first: *const T, count: usize) -> &'a [T] {
    // SAFETY: as the caller promises.
    if first.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(first, count) } }
}

/// The error that librdkafka lends; none where there is none.
///
/// # Safety
/// `error` is null or lives during the call.
unsafe fn failure(error: *const sys::rd_kafka_error_t) -> Answer<()> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: as the caller promises.
    let code = unsafe { sys::rd_kafka_error_code(error) };
    if code.is_error() { Err(KafkaError::AdminOp(code.into())) } else { Ok(()) }
}

/// One partition of a list that librdkafka lends.
struct Listed {
    partition: TopicPartition,
    offset: i64,
    failed: Option<Code>,
}

/// # Safety
/// `partition` is null or lives during the call.
unsafe fn listed(partition: *const sys::rd_kafka_topic_partition_t) -> Option<Listed> {
    // SAFETY: as the caller promises; the topic's name is a string of librdkafka.
    unsafe {
        let partition = partition.as_ref()?;
        Some(Listed {
            partition: TopicPartition {
                topic: text(partition.topic),
                partition: u32::try_from(partition.partition).ok()?,
            },
            offset: partition.offset,
            failed: partition.err.is_error().then(|| partition.err.into()),
        })
    }
}

/// # Safety
/// `partitions` is null or lives during the call.
unsafe fn all_listed(partitions: *const sys::rd_kafka_topic_partition_list_t) -> Vec<Listed> {
    // SAFETY: as the caller promises; `elems` has `cnt` elements.
    unsafe {
        let Some(partitions) = partitions.as_ref() else { return Vec::new() };
        let elements = list(partitions.elems.cast_const(), usize::try_from(partitions.cnt).unwrap_or(0));
        elements.iter().filter_map(|element| listed(ptr::from_ref(element))).collect()
    }
}

fn partition_list(partitions: &[(TopicPartition, Offset)]) -> Answer<TopicPartitionList> {
    let mut wanted = TopicPartitionList::with_capacity(partitions.len());
    for (partition, offset) in partitions {
        let number = i32::try_from(partition.partition)
            .map_err(|_too_large| KafkaError::AdminOp(Code::UnknownPartition))?;
        wanted.add_partition_offset(&partition.topic, number, *offset)?;
    }
    Ok(wanted)
}
