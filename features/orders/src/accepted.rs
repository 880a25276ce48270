//! Orders that the log took and whose row no consumer has written yet, as this process answered them.
//!
//! Who has just ordered may ask at once. The row comes with the consumer, a moment later; until then the answer is here.
//! It is a memory, not a promise: another process, or this one after a restart, knows the order when its row is there.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tidings::model::OrderId;

use crate::model::Order;

/// How many orders are remembered; their rows are there long before that many came.
const REMEMBERED: usize = 2000;

/// The newest orders that this process answered.
#[derive(Debug, Default)]
pub(crate) struct Accepted(Mutex<VecDeque<Order>>);

impl Accepted {
    pub(crate) fn remember(&self, order: Order) {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if orders.len() == REMEMBERED {
            orders.pop_front();
        }
        orders.push_back(order);
    }

    pub(crate) fn find(&self, id: OrderId) -> Option<Order> {
        let orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        orders.iter().rev().find(|order| order.id == id).cloned()
    }
}
