//! Headers, with any bytes in their names.

use std::{
    ffi::{c_char, c_void},
    ptr,
};

use rdkafka::{error::IsError, message::BorrowedMessage};
use rdkafka_sys as sys;
use tidings_model::Headers;

use super::{list, text};

/// The headers of a message, in order. A name that is no UTF-8 is kept with replacement characters: the wrapper
/// would panic on it, and whoever writes to a topic chooses the names.
pub(in crate::kafka) fn headers(message: &BorrowedMessage<'_>) -> Headers {
    let mut headers = Headers::new();
    let mut all: *mut sys::rd_kafka_headers_t = ptr::null_mut();
    // SAFETY: the message lives during the call and lends its headers; name and value are lent with them and are
    // copied at once.
    unsafe {
        if sys::rd_kafka_message_headers(message.ptr(), &raw mut all).is_error() || all.is_null() {
            return headers;
        }
        loop {
            let (mut name, mut value, mut size): (*const c_char, *const c_void, usize) =
                (ptr::null(), ptr::null(), 0);
            let found = sys::rd_kafka_header_get_all(
                all,
                headers.len(),
                &raw mut name,
                &raw mut value,
                &raw mut size,
            );
            if found.is_error() {
                return headers;
            }
            headers.push((text(name), list(value.cast::<u8>(), size).to_vec()));
        }
    }
}
