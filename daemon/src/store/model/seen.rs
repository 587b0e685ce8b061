//! What a comparison says, and what has happened so far.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::test_runner::TestCaseError;

pub(super) type Checked = Result<(), TestCaseError>;

pub(super) fn same<T: PartialEq + Debug>(what: &str, real: T, wanted: T) -> Checked {
    if real == wanted {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{what}: the store says {real:?}, the reference {wanted:?}")))
}

pub(super) fn holds(what: &str, whether: bool) -> Checked {
    same(what, whether, true)
}

/// How often everything happened, so that nothing is tested in name only.
#[derive(Debug, Default)]
pub(super) struct Seen(pub(super) BTreeMap<String, u64>);

impl Seen {
    pub(super) fn note(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn all_of(&self, wanted: &[&str]) {
        for what in wanted {
            assert!(self.0.contains_key(*what), "{what} never happened: {self:?}");
        }
    }
}
