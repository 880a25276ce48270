//! The fourteen adversaries, and whether each one's situation really came about.

/// Who tries to break the promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Adversary {
    RelayRepeat,
    ZombieRelay,
    LateWrite,
    ProjectionLag,
    ColdWindow,
    LateJoin,
    Mute,
    QuietHours,
    Narrowing,
    Digest,
    Redrive,
    CancelDuringCatchUp,
    DatabaseCopiedBack,
    TwoDevices,
}

impl Adversary {
    pub(crate) const ALL: [Self; 14] = [
        Self::RelayRepeat,
        Self::ZombieRelay,
        Self::LateWrite,
        Self::ProjectionLag,
        Self::ColdWindow,
        Self::LateJoin,
        Self::Mute,
        Self::QuietHours,
        Self::Narrowing,
        Self::Digest,
        Self::Redrive,
        Self::CancelDuringCatchUp,
        Self::DatabaseCopiedBack,
        Self::TwoDevices,
    ];
}

/// Which adversaries take part in a world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adversaries(u16);

impl Adversaries {
    /// One alone, with what it needs to come about.
    pub(crate) fn only(adversary: Adversary) -> Self {
        let mut on = 1 << adversary as u16;
        if adversary == Adversary::ColdWindow {
            on |= 1 << Adversary::ProjectionLag as u16;
        }
        Self(on)
    }

    /// A few of them.
    pub(crate) fn some(rng: &mut fastrand::Rng) -> Self {
        // Two draws, so that crowds and small companies are both common.
        Self(if rng.bool() { rng.u16(..) } else { rng.u16(..) & rng.u16(..) })
    }

    pub(crate) fn has(self, adversary: Adversary) -> bool {
        self.0 & (1 << adversary as u16) != 0
    }
}

/// How often each adversary's situation came about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached([u64; 14]);

impl Reached {
    pub(crate) fn count(&mut self, adversary: Adversary) {
        self.0[adversary as usize] += 1;
    }

    pub(crate) fn of(&self, adversary: Adversary) -> u64 {
        self.0[adversary as usize]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}
