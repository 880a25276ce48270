//! What the driver does: people, two phases of messages with changes between them, then devices that come last.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};
use tidings_client::ListenOptions;
use tidings_model::{Clock as _, SystemClock};
use tidings_testkit::{Device, Person, TestApp, eventually};

use super::{
    messages::{Fate, Message, To},
    people::{Habit, Somebody},
    slow, truth,
    witness::Witness,
};

/// Messages that a device without a cursor is sent.
const CATCH_UP: usize = 5;
/// How long what expires lives: longer than it takes to be delivered.
const SHORT: Duration = Duration::from_secs(4);

/// How many people, and messages of a phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    people: usize,
    messages: usize,
}

impl Size {
    /// The smallest that has so many pairs, near enough.
    pub(super) const fn of_pairs(pairs: usize) -> Self {
        if pairs <= 700 { Self { people: 39, messages: 16 } } else { Self { people: 156, messages: 40 } }
    }
}

/// A server to which the driver did what it knows of.
pub(super) struct World {
    app: TestApp,
    people: Vec<Somebody>,
    messages: Vec<Message>,
    random: Rng,
}

impl World {
    /// Does all there is to do.
    pub(super) async fn made(size: Size, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let app = TestApp::with(
            |config| {
                config.testing.faults = true;
                config.gateway.catch_up_max = CATCH_UP;
                config.gateway.queue_bytes = 256 << 10;
            },
            Arc::new(SystemClock),
        )
        .await;
        let people = Somebody::many(size.people, &mut random);
        let mut world = Self { app, people, messages: Vec::new(), random };
        world.enter(1).await;
        slow::is_cut(&world.app, "slow").await;
        world.prefer().await;
        let mut witness = Witness::of(&world.app).await;
        world.connect(Somebody::connects_first, None).await;
        world.say(1, size.messages, &mut witness).await;
        let between = witness.cursor().to_owned();
        world.enter(2).await;
        world.say(2, size.messages, &mut witness).await;
        world.connect(|somebody| somebody.habit == Habit::ComesLast, None).await;
        world.connect(|somebody| somebody.habit == Habit::BringsCursor, Some(&between)).await;
        world.confirm(witness.cursor()).await;
        world
    }

    /// Puts everybody into the groups that they are in when a phase begins.
    async fn enter(&self, phase: u8) {
        let admin = self.app.admin();
        let known = self.people.iter().filter(|somebody| somebody.is_known());
        let all = known.map(|somebody| (somebody.id.as_str(), somebody.groups(phase)));
        for (id, groups) in all.chain([("witness", vec!["a"])]) {
            let (path, person) = (format!("/api/v1/directory/users/{id}"), json!({ "groups": groups }));
            let put = admin.client.put(&path, &person).await.expect("an answer");
            assert!(put.status.is_success(), "{id} is entered");
        }
    }

    async fn prefer(&self) {
        // From an hour ago to an hour before that: it stays quiet whatever the test takes.
        let at = |time: tidings_model::Timestamp| time.to_string().get(11..16).expect("a time").to_owned();
        let now = SystemClock.now();
        let (start, end) = (at(now.minus(Duration::from_hours(1))), at(now.minus(Duration::from_hours(2))));
        let quiet = json!({ "start": start, "end": end, "time_zone": "UTC" });
        for somebody in &self.people {
            let preferences = match somebody.habit {
                Habit::Mutes => json!({ "muted_categories": ["news"], "quiet_hours": null }),
                Habit::Sleeps => json!({ "muted_categories": [], "quiet_hours": quiet }),
                Habit::Reads
                | Habit::Confirms
                | Habit::KeepsSilent
                | Habit::StaysAway
                | Habit::Narrows
                | Habit::ComesLast
                | Habit::JoinsLate
                | Habit::LeavesUnseen
                | Habit::LeavesConnected
                | Habit::BringsCursor
                | Habit::IsUnknown
                | Habit::IsSlow => continue,
            };
            let put = self.app.person(&somebody.id).client.put("/api/v1/preferences", &preferences).await;
            assert!(put.expect("an answer").status.is_success());
        }
    }

    /// Opens the device of some people, after a cursor if there is one.
    async fn connect(&self, wanted: impl Fn(&Somebody) -> bool, cursor: Option<&str>) {
        for somebody in self.people.iter().filter(|somebody| wanted(somebody)) {
            let channels =
                if somebody.habit == Habit::Narrows { vec!["group:a".to_owned()] } else { Vec::new() };
            let session = Some("d".parse().expect("a session"));
            let (cursor, resumes) = (cursor.map(str::to_owned), cursor.is_some());
            let options = ListenOptions { session, cursor, channels, ..ListenOptions::default() };
            let device = Device::open(&self.app.person(&somebody.id).client, options).await;
            assert_eq!(device.ready.recovered, resumes, "a cursor is gone on from");
        }
    }

    /// Says the messages of a phase, one after the other, and ends those that end.
    async fn say(&mut self, phase: u8, messages: usize, witness: &mut Witness) {
        let admin = self.app.admin();
        let many = Message::many(phase, messages, &self.people, &mut self.random);
        for mut message in many.into_iter().chain([Message::last_of(phase)]) {
            let expires_at =
                (message.fate == Fate::Expires).then(|| SystemClock.now().plus(SHORT).to_string());
            let said = admin.post("/broadcasts", message.request(expires_at)).await;
            said["id"].as_str().expect("an id").clone_into(&mut message.id);
            if message.fate == Fate::IsDeadLettered {
                self.fails(&message).await;
            } else {
                witness.sees(&message.id).await;
                self.arrives(&message).await;
            }
            self.messages.push(message);
        }
        let mut over = BTreeSet::new();
        for message in self.messages.iter().filter(|message| message.phase == phase) {
            if message.fate == Fate::IsCancelled {
                admin.post(&format!("/broadcasts/{}/cancel", message.id), json!({})).await;
            }
            if matches!(message.fate, Fate::IsCancelled | Fate::Expires) {
                over.insert(message.id.clone());
            }
        }
        witness.loses(&over).await;
    }

    async fn fails(&self, message: &Message) {
        let (admin, path) = (self.app.admin(), format!("/broadcasts/{}", message.id));
        eventually(&format!("{} has failed", message.id), || async {
            (admin.get(&path).await["status"] == "failed").then_some(())
        })
        .await;
    }

    /// Waits until everybody who is named has a delivery of their own: these lie in ten partitions, in any order.
    async fn arrives(&self, message: &Message) {
        let To::These(ids) = &message.to else { return };
        for somebody in self.people.iter().filter(|somebody| ids.contains(&somebody.id)) {
            eventually(&format!("{} is delivered to {}", message.id, somebody.id), || async {
                (self.told(somebody, message).await.0 != "on_its_way").then_some(())
            })
            .await;
        }
    }

    /// What devices say when all is said: the newest cursor, and what their person read.
    async fn confirm(&self, cursor: &str) {
        for somebody in self.people.iter().filter(|somebody| somebody.confirms()) {
            let person = self.app.person(&somebody.id);
            person.confirm("d", cursor).await;
            if somebody.habit == Habit::Reads {
                self.read(&person, somebody).await;
            }
        }
    }

    async fn read(&self, person: &Person, somebody: &Somebody) {
        let theirs = self
            .messages
            .iter()
            .filter(|message| message.fate == Fate::Lasts && truth::not_meant(somebody, message).is_none());
        let ids: Vec<&str> = theirs.map(|message| message.id.as_str()).collect();
        person.post("/receipts", json!({ "read": ids })).await;
    }

    /// So many pairs, by chance.
    pub(super) fn sample(&self, pairs: usize) -> Vec<(&Somebody, &Message)> {
        let mut all: Vec<_> = self
            .people
            .iter()
            .flat_map(|somebody| self.messages.iter().map(move |message| (somebody, message)))
            .collect();
        self.random.clone().shuffle(&mut all);
        all.truncate(pairs);
        all
    }

    /// What the journey says.
    pub(super) async fn told(&self, somebody: &Somebody, message: &Message) -> truth::Known {
        let path = format!("/journeys/{}?user_id={}", message.id, somebody.id);
        let operator = self.app.operator().client;
        // A machine that has no time answers 503; whoever asks for thousands of reasons waits for it.
        let journey: Value = eventually("the reason", async || {
            let answer = operator.get(&format!("/api/v1{path}")).await.expect("an answer");
            if answer.status == 503 {
                return None;
            }
            assert!(answer.status.is_success(), "{path}: {answer:?}");
            Some(answer.json().expect("an answer is JSON"))
        })
        .await;
        let state = journey["state"].as_str().expect("a state").to_owned();
        (state, journey["reason"].as_str().map(str::to_owned))
    }

    /// What the driver knows.
    pub(super) fn known(&self, somebody: &Somebody, message: &Message) -> truth::Known {
        let pending = self
            .messages
            .iter()
            .filter(|other| other.fate == Fate::Lasts && truth::not_meant(somebody, other).is_none());
        let at = pending.into_iter().position(|other| other.id == message.id);
        let caught_up = message.urgent || at.is_some_and(|at| at < CATCH_UP);
        truth::of(somebody, message, caught_up)
    }
}
