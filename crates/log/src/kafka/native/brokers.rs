//! Naming its brokers to a client again.

use std::{
    ffi::CString,
    sync::{
        OnceLock,
        atomic::{AtomicPtr, Ordering},
    },
};

use rdkafka::{ClientContext, client::Client};
use rdkafka_sys as sys;

/// What a client needs to begin anew within its own callbacks: its address, and its brokers' ones.
///
/// A broker that its controller does not count yet, after a pause or while it starts, answers that there are none; a
/// client then gives up the last one and asks nobody any more (librdkafka issue 5301, in 2.12 and 2.13).
#[derive(Debug, Default)]
pub(in crate::kafka) struct Bootstrap {
    client: AtomicPtr<sys::rd_kafka_t>,
    brokers: OnceLock<CString>,
}

impl Bootstrap {
    /// Remembers the client that calls back whoever holds this.
    pub(in crate::kafka) fn remember<C: ClientContext>(&self, client: &Client<C>, brokers: &[String]) {
        // An address with a zero in it is none, and was refused when the client was made.
        if let Ok(brokers) = CString::new(brokers.join(",")) {
            self.brokers.get_or_init(|| brokers);
            self.client.store(client.native_ptr(), Ordering::Release);
        }
    }

    /// Names the client's brokers to it again. Only for callbacks of that client.
    pub(in crate::kafka) fn again(&self) {
        let client = self.client.load(Ordering::Acquire);
        let Some(brokers) = self.brokers.get().filter(|_| !client.is_null()) else { return };
        // SAFETY: a client calls back only while it is alive; the text is copied. An address of the settings that is known is not
        // added twice, and the others are given up with the next answer that names brokers.
        unsafe { sys::rd_kafka_brokers_add(client, brokers.as_ptr()) };
    }
}

/// Names its brokers to a client that nobody polls, and that therefore never calls back.
pub(in crate::kafka) fn name_brokers<C: ClientContext>(client: &Client<C>, brokers: &[String]) {
    let bootstrap = Bootstrap::default();
    bootstrap.remember(client, brokers);
    bootstrap.again();
}
