//! Answers each message with itself, on the gateway's own WebSocket stack: what conformance suites talk to.
//!
//! `cargo run --package tidings-gateway --example ws-echo -- 127.0.0.1:9001`; without an address, any free port.

use std::{
    collections::VecDeque,
    convert::Infallible,
    task::{Context, Poll},
};

use axum::response::{IntoResponse as _, Response};
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tidings_delivery::{WEBSOCKET_TEXT, websocket_frame};
use tidings_gateway::{Socket, Turn, handshake};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::task::TaskTracker;

/// Large enough for every case of the suites.
const MESSAGE_BYTES: usize = 16 << 20;
/// The first byte of an unfragmented binary frame.
const WEBSOCKET_BINARY: u8 = 0x82;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever starts it wants to know where it listens")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("ws://{}", listener.local_addr()?);
    let tasks = TaskTracker::new();
    loop {
        let (stream, _peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let spawner = tasks.clone();
        tasks.spawn(async move {
            let service =
                service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(request, &spawner))));
            let http = hyper::server::conn::http1::Builder::new();
            // A client that leaves during the handshake is its own affair.
            drop(http.serve_connection(TokioIo::new(stream), service).with_upgrades().await);
        });
    }
}

fn answer(request: Request<Incoming>, tasks: &TaskTracker) -> Response {
    let accept = match handshake::accept(request.version(), request.headers()) {
        Ok(accept) => accept,
        Err(problem) => return problem.into_response(),
    };
    tasks.spawn(async move {
        if let Ok(io) = hyper::upgrade::on(request).await {
            echo(Socket::new(TokioIo::new(io), MESSAGE_BYTES).await).await;
        }
    });
    handshake::switch(accept)
}

async fn echo(mut socket: Socket<TokioIo<hyper::upgrade::Upgraded>>) {
    let mut answers = VecDeque::new();
    loop {
        // Nothing more is read before what was read has been answered.
        let reading = answers.is_empty();
        let outlet = |_: &mut Context<'_>| match answers.pop_front() {
            None if reading => Poll::Pending,
            answer => Poll::Ready(answer),
        };
        match socket.turn(reading, outlet).await {
            Turn::Message(Message::Text(text)) => {
                answers.push_back(websocket_frame(WEBSOCKET_TEXT, text.as_bytes()));
            }
            Turn::Message(Message::Binary(bytes)) => {
                answers.push_back(websocket_frame(WEBSOCKET_BINARY, &bytes));
            }
            Turn::Message(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_))
            | Turn::Drained => {}
            Turn::Ended(Some(code)) => return socket.close(Some((code, ""))).await,
            Turn::Ended(None) => return socket.close(None).await,
        }
    }
}
