//! `tidings why`.

use clap::Args;
use serde::{Deserialize, Serialize};
use tidings_model::UserId;

use crate::{
    failure::Failure,
    reach::{self, Reach},
    table::table,
    terminal::{Paint, harmless, say, say_json},
};

/// Say whether somebody got a message, and why not: each step of its way, with time and place.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The message: brd_…, as `send` and `listen` show it.
    message: String,
    /// The person.
    user: UserId,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Deserialize, Serialize)]
struct Journey {
    message_id: String,
    user_id: String,
    state: String,
    reason: Option<String>,
    summary: String,
    steps: Vec<Step>,
}

#[derive(Deserialize, Serialize)]
struct Step {
    #[serde(rename = "step")]
    name: String,
    done: bool,
    time: Option<String>,
    place: Option<String>,
    detail: Option<String>,
}

impl Why {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let path = format!(
            "/api/v1/journeys/{}?user_id={}",
            reach::segment(&self.message),
            reach::segment(self.user.as_str())
        );
        let journey: Journey = reach::get(&self.reach.operator()?, &path).await?;
        if self.json {
            return say_json(&journey);
        }
        let paint = Paint::stdout();
        let reason = journey.reason.map_or_else(String::new, |reason| format!(" ({})", harmless(&reason)));
        say(format!("{}{reason}: {}\n", paint.bold(harmless(&journey.state)), harmless(&journey.summary)))?;
        let rows = journey.steps.into_iter().enumerate().map(|(at, step)| {
            let shown = |text: Option<String>| text.unwrap_or_default();
            let done = if step.done { "yes" } else { "no" };
            let name = format!("{} {}", at + 1, step.name);
            [name, done.to_owned(), shown(step.time), shown(step.place), shown(step.detail)]
        });
        say(table(paint, ["step", "done", "time", "place", ""], rows.collect()))
    }
}
