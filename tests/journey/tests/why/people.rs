//! People of the comparison: each has one habit, by which the driver knows what becomes of messages for them.

use fastrand::Rng;

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Connects first, confirms and reads everything.
    Reads,
    /// Connects first, confirms everything.
    Confirms,
    /// Connects first, confirms nothing.
    KeepsSilent,
    /// Never connects.
    StaysAway,
    /// Muted the news before, confirms everything else.
    Mutes,
    /// Has quiet hours all the time, confirms what passes them.
    Sleeps,
    /// Listens to group `a` alone.
    Narrows,
    /// Connects last, when more is pending than a catch-up brings; confirms nothing.
    ComesLast,
    /// Connects first; comes to group `a` between the phases, and then confirms everything.
    JoinsLate,
    /// Never connects; leaves group `a` between the phases.
    LeavesUnseen,
    /// Connects first, confirms nothing; leaves group `a` between the phases.
    LeavesConnected,
    /// Connects last, with a cursor from between the phases.
    BringsCursor,
    /// Is not in the directory.
    IsUnknown,
    /// Does not take frames, and is cut.
    IsSlow,
}

/// Each habit once; only one person is slow, for that takes megabytes.
const HABITS: [Habit; 13] = [
    Habit::Reads,
    Habit::Confirms,
    Habit::KeepsSilent,
    Habit::StaysAway,
    Habit::Mutes,
    Habit::Sleeps,
    Habit::Narrows,
    Habit::ComesLast,
    Habit::JoinsLate,
    Habit::LeavesUnseen,
    Habit::LeavesConnected,
    Habit::BringsCursor,
    Habit::IsUnknown,
];

/// Somebody.
#[derive(Clone, Debug)]
pub(super) struct Somebody {
    pub(super) id: String,
    pub(super) habit: Habit,
    /// Whether they are in group `a` when the first phase begins.
    pub(super) in_a: bool,
    /// Whether they are in group `night`, all the time.
    pub(super) in_night: bool,
}

impl Somebody {
    /// So many people, all habits among them.
    pub(super) fn many(people: usize, random: &mut Rng) -> Vec<Self> {
        let mut many: Vec<Self> = HABITS
            .into_iter()
            .cycle()
            .take(people)
            .enumerate()
            .map(|(at, habit)| Self::one(at, habit, random))
            .collect();
        many.push(Self { id: "slow".to_owned(), habit: Habit::IsSlow, in_a: true, in_night: false });
        many
    }

    fn one(at: usize, habit: Habit, random: &mut Rng) -> Self {
        let in_a = match habit {
            Habit::Narrows | Habit::LeavesUnseen | Habit::LeavesConnected => true,
            Habit::JoinsLate | Habit::IsUnknown => false,
            Habit::Reads
            | Habit::Confirms
            | Habit::KeepsSilent
            | Habit::StaysAway
            | Habit::Mutes
            | Habit::Sleeps
            | Habit::ComesLast
            | Habit::BringsCursor
            | Habit::IsSlow => random.u8(..4) != 0,
        };
        let in_night = habit != Habit::IsUnknown && random.u8(..3) == 0;
        Self { id: format!("p{at:03}"), habit, in_a, in_night }
    }

    /// Whether the directory knows them.
    pub(super) fn is_known(&self) -> bool {
        self.habit != Habit::IsUnknown
    }

    /// Whether they leave group `a` between the phases.
    pub(super) fn leaves(&self) -> bool {
        matches!(self.habit, Habit::LeavesUnseen | Habit::LeavesConnected)
    }

    /// The groups that they are in when a phase begins.
    pub(super) fn groups(&self, phase: u8) -> Vec<&'static str> {
        let in_a = if self.habit == Habit::JoinsLate {
            phase == 2
        } else {
            self.in_a && (phase == 1 || !self.leaves())
        };
        [("a", in_a), ("night", self.in_night)]
            .into_iter()
            .filter(|(_, is)| *is)
            .map(|(name, _)| name)
            .collect()
    }

    /// Whether they have a device before anything is said.
    pub(super) fn connects_first(&self) -> bool {
        match self.habit {
            Habit::Reads
            | Habit::Confirms
            | Habit::KeepsSilent
            | Habit::Mutes
            | Habit::Sleeps
            | Habit::Narrows
            | Habit::JoinsLate
            | Habit::LeavesConnected => true,
            Habit::StaysAway
            | Habit::ComesLast
            | Habit::LeavesUnseen
            | Habit::BringsCursor
            | Habit::IsUnknown
            | Habit::IsSlow => false,
        }
    }

    /// Whether their device confirms what it was offered, when all is said.
    pub(super) fn confirms(&self) -> bool {
        matches!(self.habit, Habit::Reads | Habit::Confirms | Habit::Mutes | Habit::Sleeps | Habit::JoinsLate)
    }
}
