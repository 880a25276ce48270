//! How many orders a second 64 clients place, each answered when the log has it: embedded, with Kafka, and with Kafka where
//! other processes handle them; beside a plain service on Sarama that does nothing else, and beside the most that this
//! machine and its broker let any service answer.

use std::{net::SocketAddr, process::Command, time::Duration};

use crate::{
    Bench, Failure,
    clients::{self, Asked, CLIENTS},
    process::Process,
    report::Figure,
    samples::Samples,
    server::Server,
};

/// Where orders are placed.
const PATH: &str = "/api/v1/orders";
/// An order.
const ORDER: &str = r#"{"customer_name":"Ada","coffee_type":"Flat white"}"#;
/// How long they order.
const LONG: Duration = Duration::from_secs(8);

/// What one service did.
struct Orders {
    /// Orders a second.
    rate: f64,
    /// From question to answer.
    waits: Samples,
    /// Processor time of an order, in microseconds; ours with what its consumers did meanwhile.
    micros: f64,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let missing = "orders need a broker: scripts/bench starts one, or set TIDINGS_TEST_KAFKA";
    let brokers = bench.brokers.as_deref().ok_or(missing)?;
    let long = bench.duration(LONG);
    let topic = format!("bench-orders-{}", std::process::id());
    let embedded = ours(bench, &[], long)?;
    let kafka = ours(bench, &[("KAFKA_BROKERS", brokers), ("KAFKA_TOPIC", &topic)], long)?;
    let alone = match bench.fleet()? {
        Some(mut fleet) => {
            fleet.environment.extend([("KAFKA_TOPIC", topic.as_str()), ("TIDINGS_SERVER__ROLES", "api")]);
            Some(ours(bench, &fleet.environment, long)?)
        }
        None => None,
    };
    let at_once = floor(&[], long)?;
    let bare = floor(&["--brokers", brokers, "--topic", &topic], long)?;
    let mut figures = vec![
        Figure::of("orders/s of a bare route that answers at once", at_once.rate),
        Figure::of("orders/s of a bare route on librdkafka", bare.rate),
        Figure::of("CPU of an order there, µs", bare.micros),
    ];
    if let Some(program) = &bench.sarama_ingest {
        let mut command = Command::new(program);
        command.args(["--brokers", brokers, "--topic", &format!("{topic}-sarama")]);
        let sarama = plain(&mut command, long)?;
        figures.extend(beside("Kafka", &kafka, &sarama));
        figures.extend(beside("embedded", &embedded, &sarama));
        if let Some(alone) = &alone {
            figures.extend(beside("Kafka, handled elsewhere", alone, &sarama));
        }
    } else {
        figures.push(Figure::of("orders/s, Kafka", kafka.rate));
        figures.push(Figure::of("orders/s, embedded", embedded.rate));
        figures.extend(alone.map(|alone| Figure::of("orders/s, Kafka, handled elsewhere", alone.rate)));
    }
    Ok(figures)
}

fn beside(pair: &str, ours: &Orders, sarama: &Orders) -> [Figure; 4] {
    let of = |what: &str| format!("{what}, {pair}, beside Sarama");
    [
        Figure::of(of("orders/s"), ours.rate).beside(sarama.rate).goal("≥ 3"),
        Figure::of(of("p50, ms"), ours.waits.p50()).beside(sarama.waits.p50()),
        Figure::of(of("p99, ms"), ours.waits.p99()).beside(sarama.waits.p99()),
        Figure::of(of("CPU of an order, µs"), ours.micros).beside(sarama.micros),
    ]
}

fn ours(bench: &Bench, environment: &[(&str, &str)], long: Duration) -> Result<Orders, Failure> {
    let server = Server::start_with(bench, environment)?;
    let token = |client| server.with_scope(&format!("customer-{client}"), "orders:write");
    orders(&server.process, server.address, long, token)
}

/// What a bare route did.
fn floor(arguments: &[&str], long: Duration) -> Result<Orders, Failure> {
    plain(Command::new(std::env::current_exe()?).args(["floor", "orders"]).args(arguments), long)
}

/// What a service did that asks nobody who they are.
fn plain(command: &mut Command, long: Duration) -> Result<Orders, Failure> {
    let (process, address) = Process::listening(command)?;
    orders(&process, address, long, |_client| Ok(String::new()))
}

fn orders(
    process: &Process,
    address: SocketAddr,
    long: Duration,
    token: impl Fn(usize) -> Result<String, Failure>,
) -> Result<Orders, Failure> {
    let asked: Vec<Asked> = (0..CLIENTS)
        .map(|client| {
            Ok(Asked { path: PATH, token: token(client)?, with_key: false, body: ORDER.to_owned() })
        })
        .collect::<Result<_, Failure>>()?;
    let before = process.cpu()?;
    let answered = clients::ask(address, &asked, long)?;
    let micros = process.cpu_since(before)?.as_secs_f64() * 1e6 / f64::from(answered.count);
    Ok(Orders { rate: answered.rate, waits: answered.waits, micros })
}
