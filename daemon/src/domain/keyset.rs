//! The life of keys: next, active, retired, gone; or revoked at any time. Of each kind exactly one is active, whatever happens in between.
//!
//! A signing key is published a while before it signs, so that whoever fetches keys from time to time has it when the first token comes. A
//! retired key verifies until the last token it made is over, and then its row is removed: what is gone cannot be stolen.

use std::time::Duration;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::time::Millis;
use hallpass_protocol::token::MacKeyId;

use super::command::{ActiveKeys, Case};
use super::effect::{Decision, Effect, Event, Outcome};
use super::reseal::{MasterId, overtaken};
use super::revocation::CutOffs;

/// What a key is for. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum KeyKind {
    /// The root of the keys that session, refresh and device tokens are made with.
    Mac = 0,
    /// Signs access tokens.
    Signing = 1,
}

impl KeyKind {
    /// Both kinds.
    pub(crate) const ALL: [Self; 2] = [Self::Mac, Self::Signing];

    /// The kind as a stable word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Mac => "mac",
            Self::Signing => "signing",
        }
    }
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// Published, and active from this moment on.
    Next(Millis),
    /// Makes new tokens.
    Active,
    /// Verifies old tokens until this moment.
    Retired(Millis),
    /// Was taken back, and is known as that until its last token is over. Of the key itself nothing is left.
    Revoked(Millis),
}

/// A key as stored: everything about it in the open but the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// What it is for.
    pub(crate) kind: KeyKind,
    /// Which of its kind; never used again.
    pub(crate) number: u16,
    /// Where it is in its life.
    pub(crate) state: KeyState,
    /// When it was made.
    pub(crate) created: Millis,
    /// The `kid` of a signing key.
    pub(crate) kid: String,
    /// The key under the seal of the master key.
    pub(crate) sealed: Sealed,
}

impl Key {
    /// Whether it was taken back, so that there is nothing to open.
    pub(crate) fn is_revoked(&self) -> bool {
        matches!(self.state, KeyState::Revoked(_))
    }
}

/// A sealed key; empty for one that was taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The nonce it was sealed with.
    pub(crate) nonce: [u8; 24],
    /// The sealed bytes.
    pub(crate) bytes: Vec<u8>,
}

/// How keys rotate by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyPolicy {
    /// How long a signing key is published before it signs.
    pub(crate) lead: Duration,
    /// How old an active key may get.
    pub(crate) rotate_every: Duration,
}

/// Added to the life of the last token of a retired key, for verifiers whose clocks are behind.
const SLACK: Duration = Duration::from_mins(1);

/// The keys that new tokens are made with. None, if these are not the keys of a whole database.
pub(crate) fn active(keys: &[Key]) -> Option<ActiveKeys> {
    let of = |kind| keys.iter().find(|key| key.kind == kind && key.state == KeyState::Active);
    Some(ActiveKeys { signing: of(KeyKind::Signing)?.kid.clone(), mac: MacKeyId(of(KeyKind::Mac)?.number) })
}

/// The number of the next key of a kind.
pub(crate) fn next_number(keys: &[Key], kind: KeyKind) -> Option<u16> {
    keys.iter().filter(|key| key.kind == kind).map(|key| key.number).max().unwrap_or(0).checked_add(1)
}

/// The kinds whose active key is so old that a next one is due.
pub(crate) fn due(keys: &[Key], policy: &KeyPolicy, now: Millis) -> Vec<KeyKind> {
    let old = |key: &&Key| key.state == KeyState::Active && now.since(key.created) >= policy.rotate_every;
    let waits = |kind| keys.iter().any(|key| key.kind == kind && matches!(key.state, KeyState::Next(_)));
    keys.iter().filter(old).map(|key| key.kind).filter(|kind| !waits(*kind)).collect()
}

/// Brings a new key in. A signing key waits for its time, if there is a lead; a MAC key needs no publishing, so it is active at once. In an
/// emergency the new key is active at once and all others of its kind are gone: with them every access token or, for MAC keys, every session.
pub(crate) fn rotate(new: &Key, under: MasterId, emergency: bool, case: &Case<'_>) -> Decision {
    let keys = &case.facts.keyset;
    if !is_timely(new, under, case) {
        return overtaken(Event::KeyRotate);
    }
    let same = || keys.iter().filter(|key| key.kind == new.kind);
    let state = match new.kind {
        KeyKind::Signing if !emergency && !case.policy.keys.lead.is_zero() => {
            KeyState::Next(case.at.now.plus(case.policy.keys.lead))
        }
        _ => KeyState::Active,
    };
    let how = if emergency { ", emergency" } else { "" };
    let mut decision = Decision::done(Event::KeyRotate, Outcome::Done)
        .detail(format!("{} key {}{how}", new.kind.as_str(), new.number))
        .with(Effect::PutKey(Key { state, ..new.clone() }));
    if emergency {
        decision.effects.extend(same().map(|key| Effect::RemoveKey(key.kind, key.number)));
        if new.kind == KeyKind::Mac {
            let cut_offs = CutOffs { everything: case.at.stamp, ..case.facts.cut_offs.clone() };
            decision = decision.with(Effect::PutCutOffs(cut_offs));
        }
    } else {
        if state == KeyState::Active {
            let active = same().filter(|key| key.state == KeyState::Active);
            decision.effects.extend(active.map(|key| retired(key, case)));
        }
        // Only the newest key waits: an earlier one that has signed nothing yet is not needed any more.
        let waiting = |key: &&Key| matches!(key.state, KeyState::Next(_));
        decision.effects.extend(same().filter(waiting).map(|key| Effect::RemoveKey(key.kind, key.number)));
    }
    decision
}

/// Takes one signing key back: from now on no token of it verifies. If it was the active one, the key that waits is active at once, though not
/// everybody may have fetched it yet, or else the spare one is. Taking it back again changes nothing.
pub(crate) fn retire(kid: &str, spare: &Key, under: MasterId, case: &Case<'_>) -> Decision {
    let keys = &case.facts.keyset;
    let signing = || keys.iter().filter(|key| key.kind == KeyKind::Signing);
    let Some(key) = signing().find(|key| key.kid == kid) else {
        let message = "no signing key has this id; `hallpass key list` shows those there are, and a key whose last token is over is gone";
        return Decision::refused(Event::KeyRetire, Refusal::because(ErrorCode::NotFound, message));
    };
    let until = match key.state {
        KeyState::Revoked(until) => until,
        _ => last_token_of(key.kind, case),
    };
    let revoked = Key { state: KeyState::Revoked(until), sealed: Sealed::default(), ..key.clone() };
    let decision = Decision::done(Event::KeyRetire, Outcome::Done)
        .detail(format!("signing key {}, {kid}", key.number))
        .with(Effect::PutKey(revoked));
    if key.state != KeyState::Active {
        return decision;
    }
    let successor = match signing().find(|key| matches!(key.state, KeyState::Next(_))) {
        Some(waiting) => waiting,
        None if is_timely(spare, under, case) => spare,
        None => return overtaken(Event::KeyRetire),
    };
    decision.with(Effect::PutKey(Key { state: KeyState::Active, ..successor.clone() }))
}

/// Whether no other change came in between: one that took the place that this key was sealed for, or replaced the master key that it is under.
fn is_timely(new: &Key, under: MasterId, case: &Case<'_>) -> bool {
    next_number(&case.facts.keyset, new.kind) == Some(new.number) && case.facts.master.is_under(under)
}

/// Moves keys on whose time has come.
pub(crate) fn tend(case: &Case<'_>) -> Decision {
    let (keys, now) = (&case.facts.keyset, case.at.now);
    let mut effects = Vec::new();
    for key in keys {
        match key.state {
            KeyState::Next(at) if now >= at => {
                let active =
                    keys.iter().filter(|other| other.kind == key.kind && other.state == KeyState::Active);
                effects.extend(active.map(|old| retired(old, case)));
                effects.push(Effect::PutKey(Key { state: KeyState::Active, ..key.clone() }));
            }
            KeyState::Retired(until) | KeyState::Revoked(until) if now >= until => {
                effects.push(Effect::RemoveKey(key.kind, key.number));
            }
            _ => {}
        }
    }
    if effects.is_empty() {
        return Decision::silent(Outcome::Done);
    }
    let mut decision = Decision::done(Event::KeyTend, Outcome::Done);
    decision.effects = effects;
    decision
}

fn retired(key: &Key, case: &Case<'_>) -> Effect {
    Effect::PutKey(Key { state: KeyState::Retired(last_token_of(key.kind, case)), ..key.clone() })
}

/// When the last token is over that a key of this kind can have made.
fn last_token_of(kind: KeyKind, case: &Case<'_>) -> Millis {
    let life = match kind {
        KeyKind::Signing => case.policy.lifetimes.access,
        KeyKind::Mac => case.policy.lifetimes.absolute,
    };
    case.at.now.plus(life + SLACK)
}

#[cfg(test)]
mod tests;
