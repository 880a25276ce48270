//! The connections that nobody uses now. How many there can be is the lanes' business.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::timeout;

use super::{
    address::{Address, CONNECT_LIMIT, reason},
    session::Session,
    silence::SILENT,
};
use crate::{StoreError, wakes::Wakes};

#[derive(Debug)]
pub(super) struct Pool {
    address: Address,
    wakes: Arc<Wakes>,
    idle: Mutex<Vec<Session>>,
}

impl Pool {
    pub(super) fn new(address: Address, wakes: Arc<Wakes>) -> Self {
        Self { address, wakes, idle: Mutex::default() }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// A connection: one that is idle, or a new one.
    pub(super) async fn take(&self) -> Result<Session, StoreError> {
        match self.idle() {
            Some(session) => Ok(session),
            None => self.connect().await,
        }
    }

    /// A new connection. A server that takes it and says nothing is not waited for.
    pub(super) async fn connect(&self) -> Result<Session, StoreError> {
        match timeout(CONNECT_LIMIT, Session::connect(&self.address, &self.wakes)).await {
            Ok(connected) => connected.map_err(|cause| self.address.refused(reason(&cause))),
            Err(_elapsed) => Err(self.address.refused(SILENT)),
        }
    }

    /// Forgets those that nobody uses: they may be as dead as one that was used.
    pub(super) fn forget(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn idle(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // After the server was away all of them are closed.
        while let Some(session) = idle.pop() {
            if !session.is_closed() {
                return Some(session);
            }
        }
        None
    }

    /// Takes back a connection with no transaction on it.
    pub(super) fn give(&self, session: Session) {
        if !session.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }
    }
}
