//! The floor of taking orders: one bare route that answers at once, or when librdkafka says that the record is there.

use std::time::Duration;

use axum::{Router, extract::State, http::StatusCode, routing::post};
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};
use tokio::net::TcpListener;

use crate::Failure;

/// Where what is ordered goes.
#[derive(Clone)]
struct Topic {
    name: String,
    producer: FutureProducer,
}

/// Serves; without brokers, nothing is done with an order.
pub(super) fn serve(brokers: Option<&str>, topic: String) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let router = match brokers {
            Some(brokers) => {
                let mut config = ClientConfig::new();
                config.set("bootstrap.servers", brokers).set("enable.idempotence", "true");
                config.set("linger.ms", "1");
                let producer = config.create()?;
                Router::new()
                    .route("/api/v1/orders", post(publish))
                    .with_state(Topic { name: topic, producer })
            }
            None => Router::new().route("/api/v1/orders", post(answer)),
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        super::say(listener.local_addr()?)?;
        axum::serve(listener, router).await?;
        Ok(())
    })
}

async fn answer(_order: String) -> (StatusCode, String) {
    (StatusCode::CREATED, String::new())
}

async fn publish(State(topic): State<Topic>, order: String) -> (StatusCode, String) {
    let record = FutureRecord::<(), _>::to(&topic.name).payload(&order);
    match topic.producer.send(record, Timeout::After(Duration::from_secs(10))).await {
        Ok(placed) => (StatusCode::CREATED, placed.offset.to_string()),
        Err((cause, _order)) => (StatusCode::INTERNAL_SERVER_ERROR, cause.to_string()),
    }
}
