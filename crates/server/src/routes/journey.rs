//! `GET /journeys/{id}?user_id=`: the nine steps of one message for one person, and why they have it or not.
//!
//! Nothing is written for it while messages travel: the log, the delivery records, the person's sessions and receipts
//! say it together, and the one verdict gives the reason.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use tidings_api::{Caller, Params, Problem, Scope};
use tidings_consumer::dead_letter_topic;
use tidings_delivery::{
    Delivery, Origin,
    core::Moment,
    head,
    trace::{self, Trace},
    why::{self, Judged, Standing, State as Stands, Told},
};
use tidings_log::{GroupOffset, TopicPartition};
use tidings_model::{BroadcastId, Record, Timestamp, UserId};
use tidings_store::StoreError;
use utoipa::{IntoParams, ToSchema};

use super::{Operators, find::first_of_key, topics::failed};

/// Whose journey.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct JourneyQuery {
    /// The person.
    #[param(value_type = String)]
    user_id: UserId,
}

/// What became of one message for one person.
#[derive(Serialize, ToSchema)]
pub(super) struct Journey {
    message_id: String,
    #[schema(value_type = String)]
    user_id: UserId,
    /// Where it stands: `read`, `delivered`, `pending`, `withheld`, `not_addressed`, `ended`, `failed`, `on_its_way`,
    /// `not_kept`.
    state: &'static str,
    /// Why, as a word: `stranger`, `left`, `muted`, `cancelled` …; null where nothing stands in the way. All of them are
    /// in `docs/broadcasts.md`.
    reason: Option<&'static str>,
    /// The same as a sentence.
    summary: String,
    /// The nine steps, in order.
    steps: Vec<Step>,
}

/// One step of a message's way.
#[derive(Serialize, ToSchema)]
struct Step {
    /// `create`, `store`, `relay`, `log`, `consume`, `deliver`, `push`, `receive`, `receipt`.
    #[serde(rename = "step")]
    name: &'static str,
    /// Whether it was taken.
    done: bool,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    time: Option<Timestamp>,
    /// Where: `topic/partition@offset`, or a place of the delivery log.
    place: Option<String>,
    /// What there is to say.
    detail: Option<String>,
}

/// What the log knows of a message.
#[derive(Debug, Default)]
struct Logged {
    /// Its first record.
    record: Option<Record>,
    /// Groups that have handled that record.
    handled_by: Vec<String>,
    /// Why a handler gave it up, if one did.
    given_up: Option<String>,
}

/// Who got a message and who did not, and why.
#[utoipa::path(
    get, path = "/api/v1/journeys/{id}", tag = "operators", security(("token" = ["ops:read"])),
    params(("id" = String, Path, description = "the message: brd_…"), JourneyQuery),
    responses((status = 200, body = Journey))
)]
pub(super) async fn get_journey(
    State(operators): State<Operators>,
    caller: Caller,
    Path(message_id): Path<String>,
    Params(query): Params<JourneyQuery>,
) -> Result<Json<Journey>, Problem> {
    caller.require(Scope::OpsRead)?;
    let (id, user) = (message_id.clone(), query.user_id.clone());
    let generation = operators.feed.generations().current().id;
    let accounts = Arc::clone(&operators.accounts);
    let (trace, told, head) = operators
        .store
        .read(move |tx| async move {
            let mut told = None;
            for account in accounts.iter() {
                told = told.or(account.of(&tx, &id, &user).await?);
            }
            let trace = trace::of(&tx, generation, &id, &user).await?;
            Ok::<_, StoreError>((trace, told, head(&tx).await?))
        })
        .await?;
    // A broadcast's id tells when it was made, also before its first delivery.
    let made = message_id.parse::<BroadcastId>().ok().map(BroadcastId::time);
    let made = made.or(trace.item.as_ref().map(|item| item.created_at));
    let origin = trace.records.iter().find_map(Delivery::origin);
    let logged = match (origin, made) {
        (Some(origin), _) => operators.at_origin(origin).await?,
        (None, Some(made)) => operators.logged(&message_id, made).await?,
        (None, None) => Logged::default(),
    };
    if trace.item.is_none() && trace.records.is_empty() && told.is_none() && logged.record.is_none() {
        return Err(Problem::not_found("message"));
    }
    let now = Moment { place: head, time: operators.clock.now() };
    Ok(Json(Journey::of(message_id, &trace, told.as_ref(), &logged, now)))
}

impl Operators {
    /// What the log knows of the record that a delivery names.
    async fn at_origin(&self, origin: &Origin) -> Result<Logged, Problem> {
        let partition = TopicPartition { topic: origin.topic.clone(), partition: origin.partition };
        // It may be kept no longer, with its topic.
        let found = self.log.records(partition, origin.offset, 1).await.unwrap_or_default();
        let record = found.into_iter().find(|record| record.offset == origin.offset);
        self.with_groups(Logged { record, ..Logged::default() }).await
    }

    async fn logged(&self, message_id: &str, made: Timestamp) -> Result<Logged, Problem> {
        let topics = self.log.topics().await.map_err(|cause| failed(&cause))?;
        let named = |name: &str| topics.iter().find(|topic| topic.name == name);
        let mut logged = Logged::default();
        for name in self.feature_topics.iter() {
            if logged.record.is_none()
                && let Some(topic) = named(name)
            {
                logged.record = first_of_key(self.log.as_ref(), topic, message_id, made)
                    .await
                    .map_err(|cause| failed(&cause))?;
            }
            if let Some(topic) = named(&dead_letter_topic(name)) {
                let letter = first_of_key(self.log.as_ref(), topic, message_id, made)
                    .await
                    .map_err(|cause| failed(&cause))?;
                logged.given_up = logged.given_up.or_else(|| letter.as_ref().map(why_given_up));
            }
        }
        self.with_groups(logged).await
    }

    /// Adds which groups have handled the record.
    async fn with_groups(&self, mut logged: Logged) -> Result<Logged, Problem> {
        if let Some(record) = &logged.record {
            let has_handled = |group: &GroupOffset| {
                group.partition.topic == record.topic
                    && group.partition.partition == record.partition
                    && group.next_offset > record.offset
            };
            let groups = self.log.group_offsets().await.map_err(|cause| failed(&cause))?;
            logged.handled_by = groups.into_iter().filter(has_handled).map(|group| group.group).collect();
        }
        Ok(logged)
    }
}

fn why_given_up(letter: &Record) -> String {
    let message = letter.headers.iter().find(|(name, _)| name == "kafka_dlt-exception-message");
    message.map_or_else(
        || "no reason was noted".to_owned(),
        |(_, value)| String::from_utf8_lossy(value).into_owned(),
    )
}

impl Journey {
    fn of(message_id: String, trace: &Trace, told: Option<&Told>, logged: &Logged, now: Moment) -> Self {
        let Standing { state, reason, summary } = why::standing(trace, told, logged.given_up.as_deref(), now);
        let steps = steps(trace, why::judged(trace, now), logged, state);
        Self { message_id, user_id: trace.person.id().clone(), state: state.as_str(), reason, summary, steps }
    }
}

fn steps(trace: &Trace, judged: Option<Judged<'_>>, logged: &Logged, state: Stands) -> Vec<Step> {
    let record = logged.record.as_ref();
    let saved = record.map(|record| record.time).or(trace.item.as_ref().map(|item| item.created_at));
    let place = record.map(|record| format!("{}/{}@{}", record.topic, record.partition, record.offset));
    let step = |name, done, time| Step { name, done, time, place: None, detail: None };
    let delivered = judged.map(|judged| judged.delivery.facts());
    let offered = judged.is_some_and(|judged| judged.verdict.is_offered());
    let devices = judged.map_or(0, |judged| judged.devices);
    let consumed = !logged.handled_by.is_empty() || delivered.is_some();
    vec![
        step("create", true, saved),
        step("store", true, saved),
        Step { detail: Some("the commit itself".to_owned()), ..step("relay", true, saved) },
        Step {
            place,
            detail: record.is_none().then(|| "the record is no longer kept".to_owned()),
            ..step("log", true, saved)
        },
        Step {
            detail: Some(match (&logged.given_up, logged.handled_by.as_slice()) {
                (Some(why), _) => format!("given up: {why}"),
                (None, []) if consumed => "handled".to_owned(),
                (None, []) => "waits for its handler".to_owned(),
                (None, groups) => format!("handled by {}", groups.join(", ")),
            }),
            ..step("consume", consumed && logged.given_up.is_none(), None)
        },
        Step {
            place: delivered.map(|facts| facts.place.to_string()),
            detail: delivered.map(|facts| {
                let names: Vec<String> = facts.first_audience().any.iter().map(ToString::to_string).collect();
                format!("to {}", names.join(", "))
            }),
            ..step("deliver", delivered.is_some(), delivered.map(|facts| facts.time))
        },
        Step {
            detail: Some(match (offered, devices) {
                (false, _) => "not offered".to_owned(),
                (true, 0) if trace.devices.is_empty() => "the person has not connected yet".to_owned(),
                (true, 0) => "no device was offered it yet".to_owned(),
                (true, 1) => "offered to 1 device, at once or when it comes back".to_owned(),
                (true, devices) => format!("offered to {devices} devices, at once or when they come back"),
            }),
            ..step("push", offered && devices > 0, None)
        },
        step("receive", trace.receipt.delivered_at.is_some(), trace.receipt.delivered_at),
        Step {
            detail: Some(state.as_str().to_owned()),
            ..step(
                "receipt",
                trace.receipt.delivered_at.is_some(),
                trace.receipt.read_at.or(trace.receipt.delivered_at),
            )
        },
    ]
}
