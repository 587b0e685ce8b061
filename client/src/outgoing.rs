//! A request that knows whether it may have left this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Serialize, Serializer};
use tarpc::RequestName;

/// Whether any copy of a request was ever put into bytes for the socket.
///
/// When a connection breaks tarpc does not say which requests it had written; this tells "may have been done" from "certainly not".
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent(Arc<AtomicBool>);

impl Sent {
    /// Whether the daemon may have seen the request.
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A request on its way out. Its bytes are those of the request alone.
pub(crate) struct Outgoing<R> {
    request: R,
    sent: Sent,
}

impl<R> Outgoing<R> {
    /// The request, which will say in `sent` that it was written.
    pub(crate) fn new(request: R, sent: Sent) -> Self {
        Self { request, sent }
    }
}

impl<R: Serialize> Serialize for Outgoing<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.sent.0.store(true, Ordering::Release);
        self.request.serialize(serializer)
    }
}

impl<R: RequestName> RequestName for Outgoing<R> {
    fn name(&self) -> &str {
        self.request.name()
    }
}
