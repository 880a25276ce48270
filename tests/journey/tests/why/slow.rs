//! A client that does not take its frames: a socket with little room that nobody reads.

use serde_json::json;
use tidings_testkit::{LIMIT, TestApp};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};

/// Content of a frame that fills a socket soon, in bytes.
const LARGE: usize = 60_000;
/// Frames after which queue and kernel are certainly full.
const FRAMES: usize = 400;
/// Room of the client's socket, in bytes.
const ROOM: u32 = 16 << 10;

/// Opens a stream for somebody and never reads it.
async fn opened(app: &TestApp, id: &str) -> TcpStream {
    let address = app.server().address;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(ROOM).expect("a socket");
    let mut stream = socket.connect(address).await.expect("a socket");
    let token = app.mint().token(id, None, None, LIMIT * 10).expect("a token");
    let request = format!(
        "GET /api/v1/stream?session=d HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("a socket");
    stream
}

/// Lets somebody's only device be cut, by messages to them alone.
pub(super) async fn is_cut(app: &TestApp, id: &str) {
    let (admin, operator) = (app.admin(), app.operator());
    let stream = opened(app, id).await;
    let listed =
        || async { (!operator.get("/connections").await["items"].as_array()?.is_empty()).then_some(()) };
    tidings_testkit::eventually("the stream is open", listed).await;
    let body = json!({ "content": "x".repeat(LARGE), "target": { "type": "selected", "ids": [id] } });
    let mut last = String::new();
    for _frame in 0..FRAMES {
        let said = admin.post("/broadcasts", body.clone()).await;
        said["id"].as_str().expect("an id").clone_into(&mut last);
        if operator.get("/connections").await["items"].as_array().is_some_and(Vec::is_empty) {
            break;
        }
    }
    let noted = || async {
        let journey = operator.get(&format!("/journeys/{last}?user_id={id}")).await;
        (journey["reason"] == "slow").then_some(())
    };
    tidings_testkit::eventually("the cut is noted", noted).await;
    drop(stream);
}
