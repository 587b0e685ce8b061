//! A request under one name in the log, from being read to being on disk and answered. While the log does not want to know, all of it is a look at
//! how much the log wants.

use std::sync::atomic::{AtomicU64, Ordering};

use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::request_id::RequestId;
use hallpass_protocol::time::Millis;
use tarpc::context::Context;
use tracing::Span;

use crate::domain::policy::Operation;

/// Requests that were given a name here.
static NAMED: AtomicU64 = AtomicU64::new(0);

/// What stands around everything that is logged of a request.
pub(crate) fn span(context: &Context, operation: Operation, app: &str, started: Millis) -> Span {
    tracing::debug_span!("request", request = %name(context, started), operation = operation.as_str(), app)
}

/// The same for one that waits for nothing, of which there can be very many.
pub(crate) fn brief_span(context: &Context, operation: Operation, app: &str, started: Millis) -> Span {
    tracing::trace_span!("request", request = %name(context, started), operation = operation.as_str(), app)
}

/// Says how a request ended.
pub(crate) fn answered(span: &Span, refused: Option<ErrorCode>, nanos: u64) {
    if !span.is_disabled() {
        let outcome = refused.map_or("ok", ErrorCode::as_str);
        span.in_scope(|| tracing::debug!(outcome, micros = nanos / 1000, "a request was answered"));
    }
}

/// The name that its caller has given it, or one that no other has: it begins with when the daemon started.
fn name(context: &Context, started: Millis) -> String {
    let given = RequestId::new(u128::from(context.trace_context.trace_id));
    let own = || {
        RequestId::new(u128::from(started.as_u64()) << 64 | u128::from(NAMED.fetch_add(1, Ordering::Relaxed)))
    };
    given.or_else(own).map_or_else(String::new, |id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_keeps_its_name_and_one_without_gets_its_own() {
        let mut context = tarpc::context::current();
        context.trace_context.trace_id = 7_u128.into();
        let started = Millis::from_u64(1_700_000_000_000);
        assert_eq!(name(&context, started), format!("{:0>32}", 7));
        context.trace_context.trace_id = 0_u128.into();
        let (one, next) = (name(&context, started), name(&context, started));
        assert!(one.starts_with("0000018bcfe56800") && one.len() == 32 && one != next, "{one} {next}");
    }
}
