//! What a run found: a table for people, JSON for machines.

use std::fmt;

use serde::Serialize;

use crate::machine::{self, Machine};

/// A run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Where and when.
    machine: Machine,
    /// How it was called.
    command: Vec<String>,
    /// Load averages when it had ended; the run's own load is in them.
    load_after: String,
    /// What it found.
    sections: Vec<Section>,
}

/// What one scenario found.
#[derive(Debug, Serialize)]
struct Section {
    title: &'static str,
    figures: Vec<Figure>,
}

/// One line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// What was measured, with its unit.
    what: String,
    /// The server's.
    ours: f64,
    /// The floor's, where there is one.
    floor: Option<f64>,
    /// Ours to the floor's.
    ratio: Option<f64>,
    /// What was wanted.
    goal: Option<&'static str>,
}

impl Figure {
    /// A figure of the server alone.
    pub(crate) fn of(what: impl Into<String>, ours: f64) -> Self {
        Self { what: what.into(), ours, floor: None, ratio: None, goal: None }
    }

    /// With the floor's figure beside it.
    pub(crate) fn beside(self, floor: f64) -> Self {
        Self { floor: Some(floor), ratio: (floor > 0.0).then_some(self.ours / floor), ..self }
    }

    /// With what was wanted.
    pub(crate) fn goal(self, goal: &'static str) -> Self {
        Self { goal: Some(goal), ..self }
    }
}

impl Report {
    /// An empty report.
    pub(crate) fn new(machine: Machine, command: Vec<String>) -> Self {
        Self { machine, command, load_after: String::new(), sections: Vec::new() }
    }

    /// Adds what a scenario found.
    pub(crate) fn add(&mut self, title: &'static str, figures: Vec<Figure>) {
        self.sections.push(Section { title, figures });
    }

    /// Notes the load at the end.
    pub(crate) fn loaded_after(&mut self) {
        self.load_after = machine::load();
    }
}

/// A number with as many digits as it deserves.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0.abs() {
            0.0 => 0,
            ..0.1 => 3,
            ..100.0 => 2,
            _ => 0,
        };
        f.pad(&format!("{:.digits$}", self.0))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(f, "{}", self.command.join(" "))?;
        writeln!(
            f,
            "{} · {} × {} · {} GiB · {} · load before {} · after {}",
            machine.date,
            machine.cores,
            machine.cpu,
            machine.memory_gib,
            machine.kernel,
            machine.load,
            self.load_after
        )?;
        for Section { title, figures } in &self.sections {
            writeln!(f, "\n{title}\n{:<66} {:>10} {:>10} {:>6}  goal", "", "ours", "floor", "ratio")?;
            for figure in figures {
                let number =
                    |value: Option<f64>| value.map_or_else(String::new, |value| Number(value).to_string());
                writeln!(
                    f,
                    "{:<66} {:>10} {:>10} {:>6}  {}",
                    figure.what,
                    Number(figure.ours),
                    number(figure.floor),
                    number(figure.ratio),
                    figure.goal.unwrap_or_default()
                )?;
            }
        }
        Ok(())
    }
}
