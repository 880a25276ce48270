//! Orders of people: each is posted with a key until it is answered, and who ordered is told once that it was processed.
//!
//! A device is told the order's id and not what its sender calls it; the judge knows both from the answer. The name on
//! the order is the sender's own, so that two orders of one request show in the list.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};
use tidings_client::Event;
use tokio::time::Instant;

use crate::{
    field::{Field, Marks},
    pages::{pages, pages_when_back},
    people::Target,
    talk::{Saying, Talk, Told, with},
};

/// Where orders are placed.
const ORDERS: &str = "/api/v1/orders";
/// Between two tries.
const LOOK: Duration = Duration::from_millis(200);

/// What orders and processes.
#[derive(Clone, Copy, Debug)]
pub struct Orders;

impl Talk for Orders {
    fn say(&self, field: &Field, marks: &Marks, _patient: bool, random: &mut fastrand::Rng) -> Saying {
        let by = random.choice(&field.people).map(|person| person.id.clone()).unwrap_or_default();
        Saying {
            target: Target::Selected(vec![by.clone()]),
            by,
            path: ORDERS.to_owned(),
            key: Some(marks.m.clone()),
            body: json!({ "customer_name": marks.m, "coffee_type": "Flat white" }),
            command: None,
        }
    }

    fn refused(&self, saying: Saying) -> Saying {
        with(saying, "coffee_type", " ")
    }

    fn id(&self, answer: &Value) -> Option<String> {
        Some(answer.get("order_id")?.as_str()?.to_owned())
    }

    fn told(&self, event: &Event) -> Option<Told> {
        if event.event_type != "order.updated" || event.data.get("status")? != "processed" {
            return None;
        }
        let id = event.data.get("order_id")?.as_str()?.to_owned();
        Some(Told::Message(Marks { m: id.clone(), key: id.clone(), n: 0 }, id))
    }
}

/// An order as the list shows it.
#[derive(Clone, Debug, Deserialize)]
struct Row {
    order_id: String,
    status: String,
    customer_name: String,
    topic: String,
    partition: u32,
    offset: Option<u64>,
}

/// Compares the list of orders with what was acknowledged and with what others wrote: each is there once, processed, with
/// the id that was answered, at a place of its own. Answers what is wrong.
pub async fn wrong_rows(field: &Field, others: &[String]) -> Vec<String> {
    let listed: Result<Vec<Row>, _> = pages_when_back(field.operator(0), ORDERS).await;
    let rows = match listed {
        Ok(rows) => rows,
        Err(cause) => return vec![format!("the orders cannot be listed: {cause}")],
    };
    let mut wrong = Vec::new();
    let mut by_name: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    let mut places = BTreeSet::new();
    for row in &rows {
        by_name.entry(&row.customer_name).or_default().push(row);
        if row.status != "processed" {
            wrong.push(format!("{} is {}", row.customer_name, row.status));
        }
        if !places.insert((&row.topic, row.partition, row.offset)) {
            wrong.push(format!("{} lies where another order lies", row.customer_name));
        }
    }
    for (name, rows) in &by_name {
        if rows.len() > 1 {
            wrong.push(format!("{name} was ordered {} times", rows.len()));
        }
    }
    let marker = field.final_marker("");
    for acknowledged in field.all_acknowledged().iter().filter(|known| !known.m.starts_with(&marker)) {
        match by_name.get(acknowledged.m.as_str()).and_then(|rows| rows.first()) {
            None => wrong.push(format!("{} was acknowledged, and no order is there", acknowledged.m)),
            Some(row) if row.order_id != acknowledged.id => {
                wrong.push(format!("{} was answered as {}", row.order_id, acknowledged.id));
            }
            Some(_as_answered) => {}
        }
    }
    let missing = others.iter().filter(|name| !by_name.contains_key(name.as_str()));
    wrong.extend(missing.map(|name| format!("{name} was written to the topic, and no order is there")));
    wrong
}

/// Waits until the orders of these names are there, at most `limit`. Answers whether they are.
pub async fn all_are_there(field: &Field, names: &[String], limit: Duration) -> bool {
    let until = Instant::now() + limit;
    loop {
        let rows: Vec<Row> = pages(field.operator(0), ORDERS).await.unwrap_or_default();
        let known: BTreeSet<String> = rows.into_iter().map(|row| row.customer_name).collect();
        if names.iter().all(|name| known.contains(name)) {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
}
