//! What people say to each other: from the moment somebody begins to send it to the moment another one's stream has it,
//! while all who get it confirm it. Two by two, and in a group of 200; embedded, and with Kafka. The floor of a wait is
//! the disk's own: each message is durable before it is answered.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::pace::Pace;
use crate::{
    Bench, Failure,
    crowd::{self, Crowd},
    disk,
    http::Http,
    people,
    report::Figure,
    samples::Samples,
    server::Server,
    sse,
};

/// People, each with an open stream.
const PEOPLE: usize = 200;
/// Those of them who say something.
const SPEAKERS: usize = 32;
/// Messages of a load: two by two, and in the group.
const MESSAGES: [usize; 2] = [20_000, 2_000];
/// Between two confirmations of one person.
const CONFIRM: Duration = Duration::from_millis(250);
/// Connections that confirm.
const CONFIRMING: usize = 4;
/// How long the last message may take.
const LIMIT: Duration = Duration::from_mins(2);

/// Who speaks where: the conversation of each speaker, and on how many streams a message of theirs is seen.
struct Talk {
    what: &'static str,
    conversations: Vec<String>,
    screens: usize,
    messages: usize,
}

/// What a load took.
struct Load {
    /// Messages a second, until all were confirmed.
    rate: f64,
    /// From the sending of a message to each of its arrivals.
    delays: Samples,
    /// Processor time of one arrival, in microseconds.
    micros: f64,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let missing = "chat on Kafka needs a broker: scripts/bench starts one, or set TIDINGS_TEST_KAFKA";
    let brokers = bench.brokers.as_deref().ok_or(missing)?;
    let disk = disk::append_and_sync(&bench.folder, bench.amount(2000, 50))?;
    let mut figures = measure(bench, "embedded", &[], &disk)?;
    figures.extend(measure(bench, "Kafka", &[("KAFKA_BROKERS", brokers)], &disk)?);
    Ok(figures)
}

fn measure(
    bench: &Bench,
    pair: &str,
    environment: &[(&str, &str)],
    disk: &Samples,
) -> Result<Vec<Figure>, Failure> {
    let unbounded = [("TIDINGS_LIMITS__MESSAGES_PER_SECOND", "100000")];
    let server = Server::start_with(bench, &[environment, &unbounded].concat())?;
    // Who connects is in the directory.
    let tokens: Vec<String> =
        (0..PEOPLE).map(|number| server.listener(&people::id(number))).collect::<Result<_, _>>()?;
    let crowd = Crowd::open(server.address, &tokens)?;
    let mut figures = Vec::new();
    for talk in [two_by_two(&server, &tokens, bench)?, group(&server, &tokens, bench)?] {
        let screens = f64::from(u32::try_from(talk.screens)?);
        let full = load(&server, &crowd, &tokens, &talk, None)?;
        let half = load(&server, &crowd, &tokens, &talk, Some(full.rate / 2.0))?;
        let of = |what: &str| format!("{what}, {}, {pair}", talk.what);
        let shown = Figure::of(of("confirmed on screens/s"), full.rate * screens);
        let slowest = Figure::of(of("p99 at half of it, ms"), half.delays.p99()).beside(disk.p99());
        let is_wanted = environment.is_empty();
        figures.extend([
            Figure::of(of("said/s"), full.rate),
            if is_wanted { shown.goal("≥ 10,000") } else { shown },
            Figure::of(of("CPU of each, µs"), full.micros),
            Figure::of(of("p50 at half of it, ms"), half.delays.p50()).beside(disk.p50()),
            if is_wanted { slowest.goal("< 50") } else { slowest },
        ]);
    }
    Ok(figures)
}

/// Each speaker and the one after them have a conversation.
fn two_by_two(server: &Server, tokens: &[String], bench: &Bench) -> Result<Talk, Failure> {
    let mut http = Http::connect(server.address)?;
    let conversations = (0..SPEAKERS)
        .map(|number| {
            // Two neighbours ask for the same one.
            converse(&mut http, &tokens[number], &json!({ "members": [people::id(number ^ 1)] }))
        })
        .collect::<Result<_, _>>()?;
    Ok(Talk { what: "two by two", conversations, screens: 2, messages: bench.amount(MESSAGES[0], 200) })
}

/// All speakers are in one group with everybody.
fn group(server: &Server, tokens: &[String], bench: &Bench) -> Result<Talk, Failure> {
    let others: Vec<String> = (1..PEOPLE).map(people::id).collect();
    let mut http = Http::connect(server.address)?;
    let id = converse(&mut http, &tokens[0], &json!({ "title": "Everybody", "members": others }))?;
    let (conversations, messages) = (vec![id; SPEAKERS], bench.amount(MESSAGES[1], 50));
    Ok(Talk { what: "group of 200", conversations, screens: PEOPLE, messages })
}

fn converse(http: &mut Http, token: &str, wanted: &Value) -> Result<String, Failure> {
    let body = http.post("/api/v1/conversations", token, "", &wanted.to_string())?.success()?;
    let made: Value = serde_json::from_slice(&body)?;
    Ok(made["conversation_id"].as_str().ok_or("a conversation has no id")?.to_owned())
}

/// Lets the speakers say everything, as fast as they are answered or so many a second.
fn load(
    server: &Server,
    crowd: &Crowd,
    tokens: &[String],
    talk: &Talk,
    rate: Option<f64>,
) -> Result<Load, Failure> {
    let expected = talk.messages * talk.screens;
    let cursors = Mutex::new(HashMap::new());
    let heard = AtomicBool::new(false);
    let paced =
        rate.map(|rate| Duration::from_secs_f64(f64::from(u32::try_from(talk.messages).unwrap_or(0)) / rate));
    let deadline = Instant::now() + paced.unwrap_or_default() + LIMIT;
    let (before, begun) = (server.process.cpu()?, Instant::now());
    let pace = rate.map(Pace::at);
    let (mut said, arrivals) = std::thread::scope(|scope| -> Result<_, Failure> {
        let hearing = scope.spawn(|| {
            let keep = |stream: usize, bytes: &[u8]| {
                if let Some(cursor) = sse::last_cursor(bytes) {
                    let mut cursors = cursors.lock().unwrap_or_else(PoisonError::into_inner);
                    cursors.insert(stream, cursor.to_owned());
                }
            };
            let arrivals = crowd.hear_each(expected, deadline, keep);
            heard.store(true, Ordering::Relaxed);
            arrivals
        });
        let confirming: Vec<_> = (0..CONFIRMING)
            .map(|lane| {
                scope.spawn({
                    let (cursors, heard) = (&cursors, &heard);
                    move || confirm(server, tokens, lane, cursors, heard)
                })
            })
            .collect();
        let speaking: Vec<_> = talk
            .conversations
            .iter()
            .zip(tokens)
            .enumerate()
            .map(|(speaker, (id, token))| {
                let numbers = (1 + speaker..=talk.messages).step_by(talk.conversations.len());
                scope.spawn(move || speak(server, id, token, numbers, pace))
            })
            .collect();
        let mut said = Vec::with_capacity(talk.messages);
        for speaker in speaking {
            said.extend(speaker.join().map_err(|_panic| "a speaker panicked")??);
        }
        let arrivals = hearing.join().map_err(|_panic| "the crowd panicked")??;
        for lane in confirming {
            lane.join().map_err(|_panic| "who confirms panicked")??;
        }
        Ok((said, arrivals))
    })?;
    // What is only shown is not done: those who got it say so, and that is written.
    let took = begun.elapsed();
    if arrivals.len() != expected {
        return Err(format!("{}: {} of {expected} came", talk.what, arrivals.len()).into());
    }
    said.sort_unstable_by_key(|(number, _at)| *number);
    let moments: Vec<Instant> = said.into_iter().map(|(_number, at)| at).collect();
    Ok(Load {
        rate: f64::from(u32::try_from(talk.messages)?) / took.as_secs_f64(),
        delays: crowd::delays(&arrivals, &moments).collect(),
        micros: server.process.cpu_since(before)?.as_secs_f64() * 1e6 / f64::from(u32::try_from(expected)?),
    })
}

/// Says messages of these numbers, one after the other; when each was begun.
fn speak(
    server: &Server,
    conversation: &str,
    token: &str,
    numbers: impl Iterator<Item = usize>,
    pace: Option<Pace>,
) -> Result<Vec<(usize, Instant)>, Failure> {
    let mut http = Http::connect(server.address)?;
    let path = format!("/api/v1/conversations/{conversation}/messages");
    numbers
        .map(|number| {
            if let Some(pace) = pace {
                pace.wait(number - 1);
            }
            let body = json!({ "content": sse::content(number) }).to_string();
            let begun = Instant::now();
            http.post(&path, token, "", &body)?.success()?;
            Ok((number, begun))
        })
        .collect()
}

/// Confirms what the streams of one lane have got, until all was heard.
fn confirm(
    server: &Server,
    tokens: &[String],
    lane: usize,
    cursors: &Mutex<HashMap<usize, String>>,
    heard: &AtomicBool,
) -> Result<(), Failure> {
    let mut http = Http::connect(server.address)?;
    loop {
        let is_last = heard.load(Ordering::Relaxed);
        let mine: Vec<(usize, String)> = {
            let mut cursors = cursors.lock().unwrap_or_else(PoisonError::into_inner);
            cursors.extract_if(|stream, _cursor| stream % CONFIRMING == lane).collect()
        };
        for (stream, cursor) in mine {
            let body = json!({ "cursor": cursor, "session": format!("device-{stream}") }).to_string();
            http.post("/api/v1/receipts", &tokens[stream], "", &body)?.success()?;
        }
        if is_last {
            return Ok(());
        }
        std::thread::sleep(CONFIRM);
    }
}
