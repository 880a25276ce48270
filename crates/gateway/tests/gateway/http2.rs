//! Streams over HTTP/2, where one connection carries many.

use http::{Request, Version, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::json;
use tidings_testkit::{LIMIT, TestApp};

use crate::raw::bearer;

/// Reads until a stream has shown a text.
async fn until(body: &mut Incoming, wanted: &str) {
    let mut text = String::new();
    let reading = async {
        while !text.contains(wanted) {
            let frame = body.frame().await.expect("the stream goes on").unwrap();
            text.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
        }
    };
    tokio::time::timeout(LIMIT, reading).await.unwrap_or_else(|_| panic!("{wanted} did not come"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_listen_over_one_connection() {
    let app = TestApp::start().await;
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let mut streams = Vec::new();
    for name in ["alice", "bob"] {
        let request = Request::get(format!("{}/api/v1/stream", app.url()))
            .header(header::AUTHORIZATION, bearer(&app.person(name)))
            .body(Empty::new())
            .unwrap();
        let answer = client.request(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
        streams.push(answer.into_body());
    }
    for stream in &mut streams {
        until(stream, "event: ready").await;
    }
    app.admin().broadcast("to both", json!({ "type": "all" })).await;
    for stream in &mut streams {
        until(stream, "\"to both\"").await;
    }
}
