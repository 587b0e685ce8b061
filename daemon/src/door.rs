//! What stands between a socket and a service: who calls, whether there is room for them, and a sentence for whoever is sent away.

use std::io::Write;
use std::sync::Arc;

use hallpass_protocol::admin::Admin;
use hallpass_protocol::auth::Auth;
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::hello::{self, Service, Status};
use hallpass_protocol::limits::{ADMIN_FRAME, AUTH_FRAME, HELLO_DEADLINE};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin_service::AdminService;
use crate::auth_service::AuthService;
use crate::budget::Room;
use crate::caller::{Callers, Peer};
use crate::connection::{self, Limits};
use crate::domain::policy::{Operation, Principal};
use crate::listener::{Place, accept};
use crate::metrics::Reason;
use crate::shared::Shared;

/// What stands between a socket and a service.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) shared: Arc<Shared>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// Connections that are let in before everybody else has their turn: whoever connects as fast as they can is not to hold up those who are there.
const TURN: usize = 16;

/// Somebody who may come in, and what is set aside for them.
struct Guest {
    peer: Peer,
    caller: Arc<Principal>,
    longest: usize,
    room: Room,
    place: Place,
}

impl Door {
    /// Lets connections in until the daemon stops.
    pub(crate) async fn keep(self, listener: UnixListener, service: Service) {
        let mut let_in = 0;
        while let Some(stream) = self.stop.run_until_cancelled(accept(&listener)).await {
            match Peer::of(&stream).map(|peer| self.greet(peer, service)) {
                Ok(Ok(guest)) => drop(self.tasks.spawn(self.clone().meet(stream, service, guest))),
                Ok(Err((status, sentence))) => send_away(stream, status, &sentence),
                Err(error) => tracing::debug!(%error, "a connection came from nobody"),
            }
            let_in += 1;
            if let_in % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Finds out who calls and whether there is room for them, or says why they are sent away.
    fn greet(&self, peer: Peer, service: Service) -> Result<Guest, (Status, String)> {
        let callers = &self.shared.live.callers();
        let (asked, longest) = match service {
            Service::Auth => (Operation::Connect, AUTH_FRAME),
            Service::Admin => (Operation::Administer, ADMIN_FRAME),
        };
        let Some(caller) = known(callers, peer, service) else {
            // Whoever comes to the wrong socket is remembered as what they are on the other one.
            let elsewhere = callers.app(peer).or_else(|| callers.admin(peer));
            let caller = elsewhere.unwrap_or_else(|| Callers::stranger(peer));
            self.shared.remember_refused(&caller, asked, ErrorCode::Forbidden);
            self.shared.requests.sent_away(Reason::Stranger);
            return Err((Status::Forbidden, stranger(peer.uid(), service)));
        };
        let busy = |reason, sentence: &str| {
            self.shared.remember_refused(&caller, asked, ErrorCode::Busy);
            self.shared.requests.sent_away(reason);
            (Status::Busy, sentence.to_owned())
        };
        let place = self.shared.places.take(peer.uid()).ok_or_else(|| {
            busy(
                Reason::Connections,
                "the daemon has as many connections as it may; close some or try again shortly",
            )
        })?;
        let room = self.shared.budget.room(peer.uid(), longest).ok_or_else(|| {
            busy(Reason::Memory, "the daemon has no room for what another connection of this user may send; close some or try again shortly")
        })?;
        self.shared.requests.let_in();
        Ok(Guest { peer, caller, longest, room, place })
    }

    /// Serves somebody who has come in, for as long as the configuration says the same of them.
    async fn meet(self, mut stream: UnixStream, service: Service, guest: Guest) {
        let Guest { peer, caller, longest, room, place: _place } = guest;
        if let Err(error) = hello::receive(&mut stream, service, HELLO_DEADLINE).await {
            return tracing::debug!(%error, "a connection ended at its hello");
        }
        let slice = self.shared.slices.of(peer.uid());
        let limits = Limits { longest, room, slice, idle: self.shared.idle_connection };
        let over = self.stop.child_token();
        let mut served =
            std::pin::pin!(self.serve(stream, service, limits, Arc::clone(&caller), over.clone()));
        tokio::select! {
            () = &mut served => return,
            () = self.is_another(peer, service, &caller) => {}
        }
        // What they have asked is still answered. When they come again they are who they are by then.
        over.cancel();
        served.await;
    }

    async fn serve(
        &self,
        stream: UnixStream,
        service: Service,
        limits: Limits,
        caller: Arc<Principal>,
        over: CancellationToken,
    ) {
        let shared = Arc::clone(&self.shared);
        match service {
            Service::Auth => {
                let service = AuthService::new(shared, caller);
                let at_once = |context: &_, request: &_| service.answer_at_once(context, request);
                connection::serve(stream, limits, service.clone().serve(), at_once, over).await;
            }
            Service::Admin => {
                let service = AdminService::new(shared, caller).serve();
                // No administrator's call is frequent enough to be worth answering in place.
                connection::serve(stream, limits, service, |_, _| None::<()>, over).await;
            }
        }
    }

    /// Waits until the configuration says something else of this caller than it did.
    async fn is_another(&self, peer: Peer, service: Service, caller: &Principal) {
        let mut changes = self.shared.live.changes();
        // Whoever exchanges the settings lives as long as this does.
        let _ = changes.wait_for(|callers| known(callers, peer, service).as_deref() != Some(caller)).await;
    }
}

fn known(callers: &Callers, peer: Peer, service: Service) -> Option<Arc<Principal>> {
    match service {
        Service::Auth => callers.app(peer),
        Service::Admin => callers.admin(peer),
    }
}

/// Says why, as far as that goes without waiting, and closes the connection: whoever is sent away takes nothing up.
fn send_away(stream: UnixStream, status: Status, sentence: &str) {
    let sent = stream.into_std().and_then(|mut stream| stream.write(&hello::refusal(status, sentence)));
    if let Err(error) = sent {
        tracing::debug!(%error, "a caller who was sent away did not hear why");
    }
}

fn stranger(uid: u32, service: Service) -> String {
    match service {
        Service::Auth => format!(
            "user id {uid} belongs to no app that the daemon knows; name it in an [[app]] of hallpass.toml and reload hallpassd"
        ),
        Service::Admin => {
            format!(
                "user id {uid} is not an administrator; add it to admin.uids in hallpass.toml and reload hallpassd, or call as one that is"
            )
        }
    }
}
