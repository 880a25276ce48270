//! Counts are true: whatever people do, they equal what the devices themselves confirmed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tidings_client::Frame;
use tidings_testkit::{Device, Person, TestApp};

const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];
const ROLES: [&str; 2] = ["editor", "author"];
const SESSIONS: [&str; 2] = ["phone", "laptop"];
const STEPS: usize = 60;
const SEEDS: u64 = 8;

/// One open stream, and what its newest cursor speaks for.
struct Open {
    device: Device,
    session: &'static str,
    /// Ids of broadcasts that were seen since the newest cursor.
    seen: BTreeSet<String>,
    /// Ids that the newest cursor confirms.
    covered: BTreeSet<String>,
}

#[derive(Default)]
struct Somebody {
    roles: BTreeSet<&'static str>,
    open: Vec<Open>,
    /// The cursor a session left with, and what it confirms.
    left: BTreeMap<&'static str, (String, BTreeSet<String>)>,
    confirmed: BTreeSet<String>,
}

struct World {
    app: TestApp,
    admin: Person,
    random: fastrand::Rng,
    people: BTreeMap<&'static str, Somebody>,
    /// Broadcast → the people it names for certain, whatever their roles were meanwhile.
    said: BTreeMap<String, BTreeSet<&'static str>>,
    /// Broadcasts to all that one person waited for.
    marks: BTreeSet<String>,
}

impl World {
    async fn new(seed: u64) -> Self {
        let app = TestApp::start().await;
        let admin = app.admin();
        let people = PEOPLE.into_iter().map(|name| (name, Somebody::default())).collect();
        let random = fastrand::Rng::with_seed(seed);
        let mut world = Self { app, admin, random, people, said: BTreeMap::new(), marks: BTreeSet::new() };
        for name in PEOPLE {
            // Whoever is named by a broadcast is known before.
            world.connect(name, "first", false).await;
        }
        world
    }

    fn somebody(&mut self) -> &'static str {
        PEOPLE[self.random.usize(..PEOPLE.len())]
    }

    fn person(&mut self, name: &'static str) -> &mut Somebody {
        self.people.entry(name).or_default()
    }

    async fn step(&mut self) {
        let name = self.somebody();
        match self.random.u8(..10) {
            0..=2 => self.broadcast().await,
            3..=4 => {
                let (session, resume) = (SESSIONS[self.random.usize(..2)], self.random.bool());
                self.connect(name, session, resume).await;
            }
            5 => {
                let role = ROLES[self.random.usize(..2)];
                let roles = &mut self.person(name).roles;
                if !roles.remove(role) {
                    roles.insert(role);
                }
                self.connect(name, "tablet", false).await;
            }
            6..=7 => self.read_all(name).await,
            8 => self.confirm(name).await,
            _cut => self.cut(name),
        }
    }

    async fn broadcast(&mut self) {
        let (target, named): (_, BTreeSet<&'static str>) = match self.random.u8(..3) {
            0 => (json!({ "type": "all" }), PEOPLE.into()),
            1 => (json!({ "type": "role", "ids": [ROLES[self.random.usize(..2)]] }), BTreeSet::new()),
            _selected => {
                let named = BTreeSet::from([self.somebody(), self.somebody()]);
                (json!({ "type": "selected", "ids": named }), named)
            }
        };
        let id = self.admin.broadcast("something", target).await;
        self.said.insert(id, named);
    }

    /// Opens a session; its earlier stream is cut, as a device has one.
    async fn connect(&mut self, name: &'static str, session: &'static str, resume: bool) {
        let roles = self.people[name].roles.iter().map(|role| (*role).to_owned()).collect();
        let person = self.app.signed_in(name, Some(roles), None);
        self.person(name).open.retain(|open| open.session != session);
        let left = self.people[name].left.get(session).cloned().filter(|_| resume);
        let cursor = left.as_ref().map(|(cursor, _)| cursor.as_str());
        let device = person.device_after(session, cursor).await;
        let somebody = self.person(name);
        let mut open = Open { device, session, seen: BTreeSet::new(), covered: BTreeSet::new() };
        if let Some((_, covered)) = left {
            // To come back with a cursor is to confirm it, unless it did not hold.
            if open.device.ready.recovered {
                somebody.confirmed.extend(covered.iter().cloned());
                open.covered = covered;
            }
        }
        somebody.open.push(open);
    }

    /// All open streams of a person read until a mark that was sent now.
    async fn read_all(&mut self, name: &'static str) {
        let mark = self.admin.broadcast("mark", json!({ "type": "all" })).await;
        for open in &mut self.person(name).open {
            open.read_until(&mark).await;
        }
        self.marks.insert(mark);
    }

    async fn confirm(&mut self, name: &'static str) {
        let person = self.app.person(name);
        let somebody = self.person(name);
        for open in &somebody.open {
            if let Some(cursor) = &open.device.cursor {
                person.confirm(open.session, cursor).await;
                somebody.confirmed.extend(open.covered.iter().cloned());
            }
        }
    }

    fn cut(&mut self, name: &'static str) {
        let which = self.random.usize(..);
        let somebody = self.person(name);
        if somebody.open.is_empty() {
            return;
        }
        let cut = somebody.open.swap_remove(which % somebody.open.len());
        match cut.device.cursor.clone() {
            Some(cursor) => somebody.left.insert(cut.session, (cursor, cut.covered)),
            None => somebody.left.remove(cut.session),
        };
    }

    async fn judge(&mut self, seed: u64) {
        for name in PEOPLE {
            self.person(name).open.clear();
            self.connect(name, "last", false).await;
            self.read_all(name).await;
            self.confirm(name).await;
        }
        for (id, named) in &self.said {
            let confirmed = self.confirmed(id);
            assert!(
                named.is_subset(&confirmed),
                "seed {seed}: {id} for {named:?} reached only {confirmed:?}"
            );
        }
        for id in self.said.keys().chain(&self.marks) {
            let (stats, confirmed) =
                (self.admin.get(&format!("/broadcasts/{id}/stats")).await, self.confirmed(id));
            assert_eq!(
                stats["delivered"],
                json!(confirmed.len()),
                "seed {seed}: {id} by {confirmed:?}: {stats}"
            );
        }
    }

    fn confirmed(&self, id: &str) -> BTreeSet<&'static str> {
        PEOPLE.into_iter().filter(|name| self.people[name].confirmed.contains(id)).collect()
    }
}

impl Open {
    /// Reads until a cursor speaks for a broadcast.
    async fn read_until(&mut self, id: &str) {
        while !self.covered.contains(id) {
            let frame = self.device.frame().await;
            if let Frame::Event { event, .. } = &frame {
                let data = serde_json::to_value(&event.data).expect("JSON");
                self.seen.extend(data["broadcast_id"].as_str().map(str::to_owned));
            }
            if matches!(frame, Frame::Event { cursor: Some(_), .. } | Frame::Cursor { .. }) {
                self.covered.append(&mut self.seen);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_equal_what_devices_confirmed_whatever_people_do() {
    for seed in 1..=SEEDS {
        let mut world = Box::pin(World::new(seed)).await;
        for _step in 0..STEPS {
            world.step().await;
        }
        world.judge(seed).await;
    }
}
