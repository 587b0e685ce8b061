//! What stands between a socket and a service: who comes in, and for how long.

use std::sync::Arc;

use hallpass_protocol::admin::Admin;
use hallpass_protocol::auth::Auth;
use hallpass_protocol::hello::{self, Service, Status};
use hallpass_protocol::limits::{ADMIN_FRAME, AUTH_FRAME, HELLO_DEADLINE};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin_service::AdminService;
use crate::auth_service::AuthService;
use crate::caller::{Callers, Peer};
use crate::connection;
use crate::domain::policy::Principal;
use crate::listener::accept;
use crate::shared::Shared;

/// What stands between a socket and a service.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) shared: Arc<Shared>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Door {
    /// Lets connections in until the daemon stops.
    pub(super) async fn keep(self, listener: UnixListener, service: Service) {
        while let Some(stream) = self.stop.run_until_cancelled(accept(&listener)).await {
            self.tasks.spawn(self.clone().meet(stream, service));
        }
    }

    /// Finds out who called and serves them, or says why not.
    async fn meet(self, mut stream: UnixStream, service: Service) {
        let Ok(peer) = Peer::of(&stream) else { return };
        let Some(_place) = self.shared.places.take(peer.uid()) else {
            return send_away(
                &mut stream,
                Status::Busy,
                "the daemon has as many connections as it may; close some or try again shortly",
            )
            .await;
        };
        let Some(caller) = known(&self.shared.live.callers(), peer, service) else {
            tracing::warn!(
                uid = peer.uid(),
                ?service,
                "a caller who is not in the configuration was sent away"
            );
            return send_away(&mut stream, Status::Forbidden, &stranger(peer.uid(), service)).await;
        };
        if let Err(error) = hello::receive(&mut stream, service, HELLO_DEADLINE).await {
            return tracing::debug!(%error, "a connection ended at its hello");
        }
        let over = self.stop.child_token();
        let mut served = std::pin::pin!(self.serve(stream, service, Arc::clone(&caller), over.clone()));
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
        caller: Arc<Principal>,
        over: CancellationToken,
    ) {
        let shared = Arc::clone(&self.shared);
        match service {
            Service::Auth => {
                let service = AuthService::new(shared, caller);
                let at_once = |request: &_| service.answer_at_once(request);
                connection::serve(stream, AUTH_FRAME, service.clone().serve(), at_once, over).await;
            }
            Service::Admin => {
                let service = AdminService::new(shared, caller).serve();
                // No administrator's call is frequent enough to be worth answering in place.
                connection::serve(stream, ADMIN_FRAME, service, |_| None, over).await;
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

async fn send_away(stream: &mut UnixStream, status: Status, sentence: &str) {
    // A caller who does not wait for the sentence does not need it.
    let _ = tokio::time::timeout(HELLO_DEADLINE, hello::send_away(stream, status, sentence)).await;
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
