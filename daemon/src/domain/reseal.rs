//! Changing the master key: which one the keys are sealed under, which one may take its place, and when it has.
//!
//! The new key can lie in its place before anything is sealed under it, because a bridge leads from it to the old one. So whichever of the two is
//! found at a start opens every key, and no step has to come true together with another.

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::time::Millis;

use super::command::Case;
use super::effect::{Decision, Effect, Event, Outcome};
use super::keyset::{Key, KeyKind, Sealed};

/// Bridges that are kept. A key that was put in its place must not lose its own because others were made after it.
const BRIDGES: usize = 8;

/// Tells master keys apart and gives nothing of them away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MasterId(pub(crate) [u8; 8]);

impl std::fmt::Display for MasterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The way from a new master key to the one that the keys are sealed under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bridge {
    /// The new key.
    pub(crate) from: MasterId,
    /// The old key under the seal of the new one.
    pub(crate) sealed: Sealed,
}

/// What is known of the master key. A database whose master key was never changed knows nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Master {
    /// What the keys are sealed under.
    pub(crate) current: Option<MasterId>,
    /// What may take its place, oldest first.
    pub(crate) bridges: Vec<Bridge>,
    /// What it took the place of, and when.
    pub(crate) replaced: Option<(MasterId, Millis)>,
}

impl Master {
    /// Whether something sealed under this key is sealed under the current one.
    pub(crate) fn is_under(&self, id: MasterId) -> bool {
        self.current.is_none_or(|current| current == id)
    }
}

/// Every key of the database, sealed under another master key.
#[derive(Debug, Clone)]
pub(crate) struct Resealed {
    /// What they were sealed under.
    pub(crate) from: MasterId,
    /// What they are sealed under now.
    pub(crate) to: MasterId,
    /// The keys by kind and number, each in its new seal.
    pub(crate) keys: Vec<(KeyKind, u16, Sealed)>,
}

/// A refusal of what was sealed under a master key that has been replaced, or that another change has overtaken.
pub(crate) fn overtaken(event: Event) -> Decision {
    Decision::refused(event, Refusal::new(ErrorCode::Busy))
}

/// Lets a new master key take the place of the current one.
pub(crate) fn bridge(under: MasterId, bridge: &Bridge, case: &Case<'_>) -> Decision {
    let master = &case.facts.master;
    if !master.is_under(under) {
        return overtaken(Event::KeyReseal);
    }
    let mut bridges: Vec<_> =
        master.bridges.iter().filter(|other| other.from != bridge.from).cloned().collect();
    bridges.push(bridge.clone());
    bridges.drain(..bridges.len().saturating_sub(BRIDGES));
    Decision::done(Event::KeyReseal, Outcome::Done)
        .detail(format!("master key {} may take the place of {under}", bridge.from))
        .with(Effect::PutMaster(Master { current: Some(under), bridges, ..master.clone() }))
}

/// Puts every key under its new seal, or none. From then on the old master key opens nothing.
pub(crate) fn reseal(resealed: &Resealed, case: &Case<'_>) -> Decision {
    let Resealed { from, to, keys } = resealed;
    let put = |key: &Key| {
        let new = keys.iter().find(|(kind, number, _)| (*kind, *number) == (key.kind, key.number));
        new.map(|(.., sealed)| Effect::PutKey(Key { sealed: sealed.clone(), ..key.clone() }))
    };
    let sealed = case.facts.keyset.iter().filter(|key| !key.is_revoked());
    let effects: Option<Vec<_>> = sealed.map(put).collect();
    let Some(effects) = effects.filter(|_| case.facts.master.is_under(*from)) else {
        // A key came in after these were read.
        return overtaken(Event::KeyReseal);
    };
    let master = Master { current: Some(*to), bridges: Vec::new(), replaced: Some((*from, case.at.now)) };
    let mut decision = Decision::done(Event::KeyReseal, Outcome::Done)
        .detail(format!("{} keys are sealed under master key {to}, not {from}", effects.len()));
    decision.effects = effects;
    decision.with(Effect::PutMaster(master))
}

#[cfg(test)]
mod tests;
