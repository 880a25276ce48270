//! A database that is copied back from an earlier copy: a cursor that names a place which now holds something else
//! is told so, and never shown what is wrong.

use std::{path::Path, time::Duration};

use tidings_client::{Client, Frame, ListenOptions, Ready, Transport};
use tidings_tests_crash::{judge::Demands, load::Shape, people::people, run::Run};

/// The database is these files.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];
/// How long the server may take to acknowledge some messages.
const SOME: Duration = Duration::from_secs(20);

/// Copies a database to another place, as an administrator does while nothing runs.
fn copy(from: &Path, to: &Path) {
    for suffix in SUFFIXES {
        let name = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            name
        };
        let target = name(to);
        if Path::new(&target).exists() {
            std::fs::remove_file(&target).expect("the old file can be removed");
        }
        if Path::new(&name(from)).exists() {
            std::fs::copy(name(from), target).expect("the file can be copied");
        }
    }
}

/// The first frame of a stream that goes on after a cursor.
async fn ready_after(client: &Client, cursor: &str, device: usize) -> Ready {
    let session = format!("again-{device}").parse().expect("a short name");
    let options = ListenOptions {
        session: Some(session),
        cursor: Some(cursor.to_owned()),
        channels: Vec::new(),
        transport: Transport::Sse,
    };
    let mut stream = client.listen(&options).await.expect("the stream opens");
    let first = stream.next().await.expect("the stream begins");
    let Frame::Ready(ready) = first else { panic!("a stream begins with ready, not {first:?}") };
    ready
}

/// Sends some messages through a load of its own and answers where its devices were at the end.
async fn cursors_after_some(run: &Run, name: &str) -> Vec<String> {
    let shape = Shape { people: 10, devices: 2, ..Shape::restless(100) };
    let mut load = run.load_named(name, shape).await;
    load.send();
    assert!(load.acknowledges(200, SOME).await);
    let cursors = load.settle().await.into_iter().flatten().collect();
    let demands = Demands { faults: 0, acknowledged: 200, ..Demands::HONEST };
    let judgement = load.judge(&demands).expect("the history can be read");
    assert!(judgement.holds(), "{judgement}");
    cursors
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute; scripts/crash runs it"]
async fn a_cursor_of_what_a_copied_back_database_never_held_is_told_so() {
    let mut run = Run::new("copied-back", &[]);
    run.start(None).await;
    let database = run.server.database();
    let copied = run.folder().join("earlier.db");
    let kept = cursors_after_some(&run, "before").await;
    run.server.kill().expect("the server can be killed");
    copy(&database, &copied);

    run.start(None).await;
    let lost = cursors_after_some(&run, "lost").await;
    run.server.kill().expect("the server can be killed");
    copy(&copied, &database);

    run.start(None).await;
    // New messages take the places that the lost ones had.
    let later = cursors_after_some(&run, "after").await;
    assert_eq!((kept.len(), lost.len(), later.len()), (20, 20, 20));
    let somebody = people(1).remove(0);
    let client = Client::new(&run.server.base(), Some(&somebody.token())).expect("the base is a URL");
    for (device, cursor) in lost.iter().enumerate() {
        let ready = ready_after(&client, cursor, device).await;
        assert_eq!(
            (ready.recovered, ready.reason.as_deref()),
            (false, Some("other_generation")),
            "{cursor} names a place that holds something else now"
        );
    }
    for (device, cursor) in kept.iter().chain(&later).enumerate() {
        let ready = ready_after(&client, cursor, device).await;
        assert!(ready.recovered, "{cursor} still names what it named: {ready:?}");
    }
}
