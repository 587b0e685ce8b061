//! A daemon to attack, and whether it has come to harm.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hallpass_client::{Needs, Token};
use hallpass_protocol::hello::Service;
use hallpass_protocol::limits::FRAME_DEADLINE;

use crate::raw::{PROMPT, Raw};
use crate::support::{Daemon, PASSWORD, PATIENCE, POLL, add_user, cookie, tokens};

/// How much more memory the daemon may hold after attacks than before them.
const GROWTH: u64 = 2 << 20;
/// Honest calls before the first attack.
const WARM_UP: usize = 100;

pub(crate) struct Target {
    pub(crate) daemon: Daemon,
    pub(crate) session: Token,
    pub(crate) memory: u64,
    pub(crate) descriptors: usize,
}

impl Target {
    /// A daemon that has worked for a while, so that what it holds is what it needs.
    pub(crate) async fn warm() -> Self {
        let daemon = Daemon::start().await;
        let admin = daemon.admin().await;
        add_user(&admin, "alice", PASSWORD, &["editor"]).await;
        let client = daemon.client().await;
        let (session, _) = cookie(&client, "alice", PASSWORD).await.expect("the user logs in");
        for _ in 0..3 {
            tokens(&client, "alice", PASSWORD).await.expect("the user logs in");
        }
        drop((client, admin));
        let mut target = Self { daemon, session, memory: 0, descriptors: 0 };
        for _ in 0..WARM_UP {
            target.answers().await;
        }
        let crowd: Vec<_> =
            (0..64).map(|_| Raw::introduced(&target.daemon.socket(), Service::Auth)).collect();
        drop(crowd);
        target.remember();
        target
    }

    /// Takes the daemon as it is now for the measure of what comes.
    pub(crate) fn remember(&mut self) {
        self.descriptors = self.settled(0, Duration::from_millis(500));
        self.memory = self.daemon.rss();
    }

    /// An honest caller is answered at once.
    pub(crate) async fn answers(&self) {
        let begun = Instant::now();
        let identity = self
            .daemon
            .client()
            .await
            .verify(self.session.clone(), Needs::default())
            .await
            .expect("the session stands");
        assert_eq!(identity.name, "alice");
        assert!(begun.elapsed() < PROMPT, "an honest caller waited for {:?}", begun.elapsed());
    }

    /// Waits until the daemon has closed what it closes, down to `least` descriptors or a standstill of this long.
    pub(crate) fn settled(&self, least: usize, still: Duration) -> usize {
        let give_up = Instant::now() + PATIENCE;
        let (mut found, mut since) = (self.daemon.descriptors(), Instant::now());
        while found > least && since.elapsed() < still && Instant::now() < give_up {
            std::thread::sleep(POLL);
            let now = self.daemon.descriptors();
            if now != found {
                (found, since) = (now, Instant::now());
            }
        }
        found
    }

    /// The daemon is as it was before.
    pub(crate) async fn is_unharmed(&self, by: &str) {
        self.has_let_go(by).await;
        let grown = self.daemon.rss().saturating_sub(self.memory);
        assert!(grown < GROWTH, "{grown} bytes more after {by}");
    }

    /// The daemon answers and has closed what it opened.
    pub(crate) async fn has_let_go(&self, of: &str) {
        self.answers().await;
        // Answers that nobody reads may be waited for as long as a frame may take.
        let still = FRAME_DEADLINE + Duration::from_secs(2);
        let (now, before) = (self.settled(self.descriptors, still), self.descriptors);
        assert!(now <= before, "{now} descriptors after {of}, {before} before");
    }

    pub(crate) fn socket(&self, service: Service) -> PathBuf {
        match service {
            Service::Auth => self.daemon.socket(),
            Service::Admin => self.daemon.admin_socket(),
        }
    }
}
