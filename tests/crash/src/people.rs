//! Who takes part in a run: people with roles and groups, and the operator who tells them things.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tidings_api::{Mint, TokenClaims};
use tidings_model::{Clock as _, SystemClock};

use crate::server::SECRET;

/// Who sends; listens to nothing.
pub const OPERATOR: &str = "operator";
/// How long tokens hold: longer than any run.
const LIFE: Duration = Duration::from_hours(20);

/// Somebody who listens.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their user id.
    pub id: String,
    role: &'static str,
    group: &'static str,
}

/// So many people: half are editors, half readers; three wards share them.
pub fn people(count: usize) -> Vec<Person> {
    let roles = ["editor", "reader"];
    let groups = ["ward-a", "ward-b", "ward-c"];
    (0..count)
        .map(|at| Person {
            id: format!("p{at:02}"),
            role: roles.get(at % 2).copied().unwrap_or_default(),
            group: groups.get(at % 3).copied().unwrap_or_default(),
        })
        .collect()
}

impl Person {
    /// Their token; they may order, too.
    pub fn token(&self) -> String {
        let orders = Some("orders:write orders:read".to_owned());
        token(&self.id, vec![self.role.to_owned()], vec![self.group.to_owned()], orders)
    }

    /// As an import says it.
    pub fn json(&self) -> Value {
        json!({ "user_id": self.id, "roles": [self.role], "groups": [self.group] })
    }
}

/// The operator's token.
pub fn operator_token() -> String {
    token(OPERATOR, vec!["admin".to_owned()], Vec::new(), None)
}

fn token(sub: &str, roles: Vec<String>, groups: Vec<String>, scope: Option<String>) -> String {
    let now = SystemClock.now();
    let claims = TokenClaims {
        sub: sub.to_owned(),
        exp: now.plus(LIFE).millis() / 1000,
        nbf: None,
        iat: Some(now.millis() / 1000),
        iss: None,
        aud: None,
        roles: Some(roles),
        groups: Some(groups),
        channels: None,
        scope,
    };
    Mint::hs256(SECRET.as_bytes(), Arc::new(SystemClock)).sign(&claims).expect("claims can be signed")
}

/// Chooses whom a message is for; selects so many people at most.
pub type Aim = fn(&[Person], usize, &mut fastrand::Rng) -> Target;

/// Whom a message is for.
#[derive(Clone, Debug)]
pub enum Target {
    /// Everybody.
    All,
    /// One role.
    Role(&'static str),
    /// One group.
    Group(&'static str),
    /// These people.
    Selected(Vec<String>),
}

impl Target {
    /// By chance: most for everybody, some for a role or a group, few for selected people, `selected` at most.
    pub fn choose(people: &[Person], selected: usize, random: &mut fastrand::Rng) -> Self {
        let Some(somebody) = random.choice(people) else { return Self::All };
        match random.u8(0..10) {
            0..=3 => Self::All,
            4..=5 => Self::Role(somebody.role),
            6..=7 => Self::Group(somebody.group),
            _few => Self::selected(people, selected, random),
        }
    }

    /// By chance, for a crowd: nearly all for selected people, few for everybody, a role or a group.
    pub fn mostly_few(people: &[Person], selected: usize, random: &mut fastrand::Rng) -> Self {
        if random.u8(0..20) == 0 {
            return Self::choose(people, selected, random);
        }
        Self::selected(people, selected, random)
    }

    fn selected(people: &[Person], selected: usize, random: &mut fastrand::Rng) -> Self {
        let count = random.usize(1..=selected.max(1));
        let some = random.choose_multiple(people.iter(), count);
        Self::Selected(some.into_iter().map(|person| person.id.clone()).collect())
    }

    /// Everybody it is for.
    pub fn to(&self, people: &[Person]) -> Vec<String> {
        let is_for = |person: &&Person| match self {
            Self::All => true,
            Self::Role(role) => person.role == *role,
            Self::Group(group) => person.group == *group,
            Self::Selected(ids) => ids.contains(&person.id),
        };
        people.iter().filter(is_for).map(|person| person.id.clone()).collect()
    }

    /// How many people the server counts: the operator is somebody too.
    pub fn targeted(&self, people: &[Person]) -> u64 {
        let operator = u64::from(matches!(self, Self::All));
        self.to(people).len() as u64 + operator
    }

    /// As a request says it.
    pub fn json(&self) -> Value {
        match self {
            Self::All => json!({ "type": "all" }),
            Self::Role(role) => json!({ "type": "role", "ids": [role] }),
            Self::Group(group) => json!({ "type": "group", "ids": [group] }),
            Self::Selected(ids) => json!({ "type": "selected", "ids": ids }),
        }
    }
}
