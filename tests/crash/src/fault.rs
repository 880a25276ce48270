//! Faults, as chance chooses them: what may happen to a fleet while people listen to it.

use std::time::Duration;

use crate::{
    fleet::{AWAY, Fleet},
    load::Load,
    poison::{self, Poison, TOPICS},
};

/// How long something that is away for long stays away.
const LONG: Duration = Duration::from_mins(1);
/// How long answers are lost.
const LOST: Duration = Duration::from_secs(4);

/// Something that breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9` of a node.
    NodeKilled,
    /// A node ends as it should, and comes back: partitions change hands twice.
    NodeLeaves,
    /// A node stands still for longer than its groups wait for it.
    NodeFrozen,
    /// `kill -9` of one broker.
    BrokerKilled,
    /// `kill -9` of all brokers.
    BrokersKilled,
    /// All brokers stand still for a minute.
    BrokersFrozen,
    /// PostgreSQL ends as by a power cut.
    DatabaseKilled,
    /// PostgreSQL stands still for a minute.
    DatabaseFrozen,
    /// Answers of brokers are lost on their way.
    AnswersLost,
    /// The same, and the node that waited for them is killed.
    AnswersLostAndNodeKilled,
    /// Records that nobody can digest.
    Poison,
}

impl Fault {
    /// Each, as often as it is chosen among the others.
    const ALL: [(Self, u8); 11] = [
        (Self::NodeKilled, 6),
        (Self::NodeLeaves, 4),
        (Self::NodeFrozen, 2),
        (Self::BrokerKilled, 5),
        (Self::BrokersKilled, 2),
        (Self::BrokersFrozen, 1),
        (Self::DatabaseKilled, 6),
        (Self::DatabaseFrozen, 1),
        (Self::AnswersLost, 5),
        (Self::AnswersLostAndNodeKilled, 4),
        (Self::Poison, 6),
    ];

    /// One by chance.
    pub fn choose(random: &mut fastrand::Rng) -> Self {
        let shares: u8 = Self::ALL.iter().map(|(_, share)| share).sum();
        let mut at = random.u8(..shares);
        for (fault, share) in Self::ALL {
            match at.checked_sub(share) {
                Some(left) => at = left,
                None => return fault,
            }
        }
        Self::NodeKilled
    }

    /// Lets it happen, and mends it; answers the poison that was written. Notes itself in the load's history.
    pub async fn happen(self, fleet: &mut Fleet, load: &Load) -> Vec<Poison> {
        let node = fleet.run.random.usize(..=fleet.run.others.len());
        let brokers = fleet.brokers.count();
        let broker = fleet.run.random.usize(1..=brokers);
        let alive = "the server can be reached by signals";
        match self {
            Self::NodeKilled => fleet.kill_node(load, node).await,
            Self::NodeLeaves => {
                load.fault(format!("node {node} leaves and comes back"));
                fleet.run.node(node).leave().expect(alive);
                tokio::time::sleep(AWAY).await;
                fleet.run.start_node(node, None).await;
            }
            Self::NodeFrozen => fleet.freeze_node(load, node).await,
            Self::BrokerKilled => fleet.kill_broker(load, broker).await,
            Self::BrokersKilled => {
                load.fault("all brokers are killed");
                (1..=brokers).for_each(|broker| fleet.parts.kill_broker(broker));
                tokio::time::sleep(AWAY).await;
                fleet.parts.restart_brokers();
            }
            Self::BrokersFrozen => {
                load.fault("all brokers are frozen");
                (1..=brokers).for_each(|broker| fleet.parts.freeze_broker(broker));
                tokio::time::sleep(LONG).await;
                (1..=brokers).for_each(|broker| fleet.parts.thaw_broker(broker));
            }
            Self::DatabaseKilled => fleet.kill_database(load).await,
            Self::DatabaseFrozen => {
                load.fault("the database is frozen");
                fleet.parts.freeze_database();
                tokio::time::sleep(LONG).await;
                fleet.parts.thaw_database();
            }
            Self::AnswersLost => fleet.lose_answers(load, LOST).await,
            Self::AnswersLostAndNodeKilled => {
                load.fault(format!("answers are lost, and node {node} is killed meanwhile"));
                fleet.answers_are_lost(true);
                tokio::time::sleep(LOST).await;
                fleet.run.node(node).kill().expect(alive);
                fleet.answers_are_lost(false);
                fleet.run.start_node(node, None).await;
            }
            Self::Poison => {
                let (topic, tag) = (fleet.run.random.choice(TOPICS), fleet.run.random.u64(..).to_string());
                let all = poison::poisons(topic.unwrap_or_default(), &tag);
                let some: Vec<Poison> = fleet.run.random.choice(all).into_iter().collect();
                for poison in &some {
                    load.fault(format!("poison: {}", poison.name));
                    poison.write(fleet.parts.brokers());
                }
                return some;
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_chooses_every_fault() {
        let mut random = fastrand::Rng::with_seed(7);
        let chosen: Vec<Fault> = (0..1000).map(|_| Fault::choose(&mut random)).collect();
        assert!(Fault::ALL.iter().all(|(fault, _)| chosen.contains(fault)));
    }
}
