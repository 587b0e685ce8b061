//! The settings that can change while the daemon runs. Each is taken once for one thing that is done, so that nothing is done by half of two.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use crate::caller::Callers;
use crate::domain::command::Policy;

/// The settings that decisions depend on, as they are now. Clones see the same.
#[derive(Debug, Clone)]
pub(crate) struct Policies(Arc<RwLock<Arc<Policy>>>);

impl From<Policy> for Policies {
    fn from(policy: Policy) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policy))))
    }
}

impl Policies {
    /// The settings of this moment.
    pub(crate) fn now(&self) -> Arc<Policy> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn exchange(&self, policy: Policy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}

/// Everything of the kind.
#[derive(Debug)]
pub(crate) struct Live {
    policies: Policies,
    callers: watch::Sender<Arc<Callers>>,
}

impl Live {
    /// What holds at first.
    pub(crate) fn new(policies: Policies, callers: Callers) -> Self {
        Self { policies, callers: watch::Sender::new(Arc::new(callers)) }
    }

    /// The settings that decisions depend on.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.policies.now()
    }

    /// Who is known.
    pub(crate) fn callers(&self) -> Arc<Callers> {
        Arc::clone(&self.callers.borrow())
    }

    /// Tells whenever somebody else is known.
    pub(crate) fn changes(&self) -> watch::Receiver<Arc<Callers>> {
        self.callers.subscribe()
    }

    /// From now on this holds.
    pub(crate) fn exchange(&self, policy: Policy, callers: Callers) {
        self.policies.exchange(policy);
        self.callers.send_replace(Arc::new(callers));
    }
}
