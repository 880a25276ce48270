//! The faults that the simulator must turn red on.
//!
//! Each is a plausible mistake of this crate's own code. They are compiled in by the feature `planted-bugs` and
//! one is chosen at run time, for the calling thread; without the feature no fault exists and no check is left.

/// A mistake, named by what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// Off by one: the newest number is accepted once more.
    RepeatAccepted,
    /// A number below the newest is taken for a relay that counts anew.
    ZombieAccepted,
    /// A number too high is accepted, and what it jumped over is then a repeat.
    HoleIgnored,
    /// The projection's last page is taken for the whole past.
    ProjectionTakenForComplete,
    /// A window that does not reach back far enough is taken for an empty one.
    ColdWindowTakenForEmpty,
    /// Memberships are judged as they are now, not as they were at the record's place.
    MembershipJudgedAtHead,
    /// A cursor confirms also what the verdict withheld.
    WithheldConfirmed,
    /// Quiet hours over midnight are never quiet.
    OvernightForgotten,
    /// The narrowing in a cursor is not compared.
    NarrowingForgotten,
    /// What the digest left out is not noted as withheld.
    DigestConfirmed,
    /// A redriven record does not say that it is late.
    RedriveNotLate,
    /// What was cancelled during a catch-up is sent from memory.
    CancelledSentFromMemory,
    /// The generation in a cursor is not compared.
    GenerationForgotten,
    /// A receipt counts even if its row did not change.
    EveryReceiptCounted,
}

#[cfg(feature = "planted-bugs")]
mod chosen {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static CHOSEN: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Makes one mistake on this thread from now on, or none.
    pub fn choose(bug: Option<Bug>) {
        CHOSEN.set(bug);
    }

    pub(crate) fn planted(bug: Bug) -> bool {
        CHOSEN.get() == Some(bug)
    }
}

#[cfg(feature = "planted-bugs")]
pub use chosen::choose;
#[cfg(feature = "planted-bugs")]
pub(crate) use chosen::planted;

#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn planted(_bug: Bug) -> bool {
    false
}
