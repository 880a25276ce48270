//! Orders in the database.

use tidings::{
    model::{OrderId, Timestamp},
    store::{Row, StoreError, Tx, params},
};

use crate::model::{Order, Ordered, Place};

fn order(row: &Row) -> Result<Order, StoreError> {
    let user_id = match row.get::<Option<String>>(1)? {
        Some(_) => Some(row.parse(1)?),
        None => None,
    };
    Ok(Order {
        id: row.parse(0)?,
        user_id,
        ordered: Ordered { customer_name: row.get(2)?, coffee_type: row.get(3)? },
        status: row.parse(4)?,
        place: Place { topic: row.get(5)?, partition: row.get(6)?, offset: Some(row.get(7)?) },
        created_at: row.get(8)?,
    })
}

/// Writes an order that was processed. False: it is there already, and stays as it is.
pub(crate) async fn put(tx: &Tx, order: &Order, now: Timestamp) -> Result<bool, StoreError> {
    let written = tx
        .execute(
            "INSERT INTO orders (order_id, user_id, customer_name, coffee_type, status, topic, partition,
                                 record_offset, created_at, processed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (order_id) DO NOTHING",
            params![
                order.id.to_string(),
                order.user_id.as_ref().map(ToString::to_string),
                &order.ordered.customer_name,
                &order.ordered.coffee_type,
                order.status.as_str(),
                &order.place.topic,
                order.place.partition,
                order.place.offset.unwrap_or_default(),
                order.created_at,
                now
            ],
        )
        .await?;
    Ok(written == 1)
}

pub(crate) async fn find(tx: &Tx, id: OrderId) -> Result<Option<Order>, StoreError> {
    let row = tx
        .optional(
            "SELECT order_id, user_id, customer_name, coffee_type, status, topic, partition, record_offset,
                    created_at
             FROM orders
             WHERE order_id = $1",
            params![id.to_string()],
        )
        .await?;
    row.as_ref().map(order).transpose()
}

/// Newest first; `before` is when the last one of the page before was accepted, and its id.
pub(crate) async fn list(
    tx: &Tx,
    before: Option<(Timestamp, OrderId)>,
    limit: usize,
) -> Result<Vec<Order>, StoreError> {
    let (at, id) = match before {
        Some((at, id)) => (Some(at), id.to_string()),
        None => (None, String::new()),
    };
    let rows = tx
        .query(
            "SELECT order_id, user_id, customer_name, coffee_type, status, topic, partition, record_offset,
                    created_at
             FROM orders
             WHERE CAST($1 AS BIGINT) IS NULL OR created_at < $1 OR (created_at = $1 AND order_id < $2)
             ORDER BY created_at DESC, order_id DESC
             LIMIT $3",
            params![at, id, limit],
        )
        .await?;
    rows.iter().map(order).collect()
}
