//! Starting and stopping, each in its one right order. Nothing else.

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass_protocol::error::Refusal;
use hallpass_protocol::hello::Service;
use hallpass_protocol::paths::{ADMIN_SOCKET, AUTH_SOCKET};
use hallpass_protocol::time::{Millis, Stamp};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::board::{self, Board, BoardError, LeaseThread};
use crate::budget::Budget;
use crate::caller::{Callers, daemon_itself};
use crate::clock::{Clock, Stopwatch, TimeSource};
use crate::config::{Config, ConfigError};
use crate::domain::command::Command;
use crate::domain::effect::{Event, Outcome};
use crate::domain::reseal::Master;
use crate::door::Door;
use crate::entropy::{Entropy, NoEntropy, RandomSource};
use crate::held::Place;
use crate::jwks::JwksFile;
use crate::keys::{KeyError, Keys, MasterKey, Sealer, first_generation};
use crate::listener::{Bound, ListenError, Places, affordable, own_directory};
use crate::live::{Live, Policies};
use crate::metrics::Requests;
use crate::passed::{Passed, or_bound};
use crate::password::Hasher;
use crate::publish::Publisher;
use crate::refused::RefusedCalls;
use crate::reseal::{Change, MasterFile};
use crate::shared::Shared;
use crate::slices::Slices;
use crate::store::{SWEEP_SESSIONS, Store, StoreError, WriterThread};

/// How long callers may take to get their last answers when the daemon stops.
const GRACE: Duration = Duration::from_secs(5);
/// How often sessions that are over are swept away, and how old the time on disk can be while nothing happens.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// The same for a while after something has happened: a crash must not make a retry of what is none.
const BEAT: Duration = Duration::from_secs(5);
/// That while, longer than the usual retry window.
const BUSY: Duration = Duration::from_mins(1);
/// The master key's name in the state directory of a daemon that serves one user.
const MASTER_KEY: &str = "master.key";

/// Why the daemon does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened, or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The sockets cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The runtime directory cannot be had.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl DaemonError {
    /// Whether another start would come to the same: only somebody who mends the configuration or the master key helps.
    pub(crate) fn lasts(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Key(_))
    }
}

/// What a daemon is started with.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// How it is configured.
    pub(crate) config: Config,
    /// Where its database lies.
    pub(crate) state_dir: PathBuf,
    /// Where its sockets go.
    pub(crate) runtime_dir: PathBuf,
    /// The master key's file, if it is not the daemon's own to make.
    pub(crate) master_key: Option<PathBuf>,
    /// The mode of the apps' socket.
    pub(crate) auth_mode: u32,
    /// Where time comes from.
    pub(crate) time: Arc<dyn TimeSource>,
    /// Where randomness comes from.
    pub(crate) random: Arc<dyn RandomSource>,
}

/// A daemon that serves.
pub(crate) struct Daemon {
    shared: Arc<Shared>,
    writer: WriterThread,
    lease: LeaseThread,
    failed: oneshot::Receiver<()>,
    stop: CancellationToken,
    tasks: TaskTracker,
    sockets: [Bound; 2],
    made_master_key: Option<PathBuf>,
}

impl Daemon {
    /// Starts to serve: locks, keys, time, the writer, and the sockets last, when everything behind them is ready.
    pub(crate) async fn start(parts: Parts, passed: Passed) -> Result<Self, DaemonError> {
        let entropy = Entropy::new(Arc::clone(&parts.random));
        let callers = Callers::new(&parts.config.app, &parts.config.admin.uids)?;
        let created = Millis::from_u64(parts.time.wall_micros() / 1000);
        let Opened { store, sealer, next, master_file, made_master_key } =
            open(&parts.state_dir, parts.master_key.clone(), created, &entropy)?;
        let board = claim_board(&parts, &store, &entropy)?;
        let floor = board::floor(store.stamp_mark(), board.visible(), parts.time.wall_micros());
        let keys = Arc::new(Keys::open(sealer, store.sealed_keys(), &parts.config.issuer, floor)?);

        let clock = Arc::new(Clock::starting_at(parts.time, store.time_floor(), SWEEP_EVERY + BEAT));
        let (alive, failed) = oneshot::channel();
        let policies = Policies::from(parts.config.policy());
        let (backup, export) = (Arc::new(Place::of("backup")), Arc::new(Place::of("export")));
        let publisher = Arc::new(Publisher {
            keys: Arc::clone(&keys),
            board: Arc::clone(&board),
            jwks: JwksFile::in_dir(&parts.runtime_dir),
            backup: Arc::clone(&backup),
            export: Arc::clone(&export),
            opened: Mutex::default(),
        });
        let (writer, thread) = store.start_writer(
            Arc::clone(&clock),
            policies.clone(),
            floor,
            Arc::clone(&publisher) as _,
            alive,
        )?;
        let hasher = Hasher::new(parts.config.password_policy()?, entropy.clone())
            .map_err(|refusal| DaemonError::Other(format!("cannot hash passwords: {refusal}")))?;
        let limits = parts.config.limits;
        let shared = Arc::new(Shared {
            started: clock.now(),
            store,
            writer,
            keys,
            board,
            hasher,
            clock,
            entropy,
            live: Live::new(policies, callers),
            places: Places::new(affordable(limits.connections), limits.connections_per_uid),
            budget: Budget::new(limits.frame_memory_mib),
            slices: Slices::default(),
            idle_connection: limits.idle_connection.0,
            issuer: parts.config.issuer,
            publisher,
            state_dir: parts.state_dir,
            master_file,
            resealing: tokio::sync::Mutex::default(),
            backup,
            export,
            touching: Mutex::new(HashSet::new()),
            refused: RefusedCalls::default(),
            requests: Requests::new(),
            up: Stopwatch::start(),
        });
        let lease = begin(&shared).await?;
        shared.tell_of_steps().await;
        take_over(next, &shared).await?;

        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (auth, auth_socket) =
            or_bound(passed.auth, &parts.runtime_dir.join(AUTH_SOCKET), parts.auth_mode)?;
        let (admin, admin_socket) = or_bound(passed.admin, &parts.runtime_dir.join(ADMIN_SOCKET), 0o600)?;
        let sockets = [auth_socket, admin_socket];
        let door = Door { shared: Arc::clone(&shared), stop: stop.clone(), tasks: tasks.clone() };
        tasks.spawn(door.clone().keep(auth, Service::Auth));
        tasks.spawn(door.keep(admin, Service::Admin));
        tasks.spawn(sweep_from_time_to_time(Arc::clone(&shared), stop.clone()));
        Ok(Self { shared, writer: thread, lease, failed, stop, tasks, sockets, made_master_key })
    }

    /// The apps' socket.
    pub(crate) fn auth_socket(&self) -> &Path {
        self.sockets[0].path()
    }

    /// The administrator's socket.
    pub(crate) fn admin_socket(&self) -> &Path {
        self.sockets[1].path()
    }

    /// The master key that this start made, if it made one.
    pub(crate) fn made_master_key(&self) -> Option<&Path> {
        self.made_master_key.as_deref()
    }

    /// Goes by another configuration from now on, as far as that can be done in a running daemon. What an app holds is asked about again.
    pub(crate) async fn reload(&self, config: &Config) -> Result<(), DaemonError> {
        let callers = Callers::new(&config.app, &config.admin.uids)?;
        self.shared.places.resize(affordable(config.limits.connections), config.limits.connections_per_uid);
        self.shared.live.exchange(config.policy(), callers);
        self.shared.write(daemon_itself(), Command::Reload).await.map(|_| ()).map_err(unwritten)
    }

    /// How often the writer has begun or ended something, and whether it has nothing to do.
    pub(crate) fn writers_turns(&self) -> (u64, bool) {
        self.shared.writer.turns()
    }

    /// Waits until the writer has failed, after which nothing can be changed any more.
    pub(crate) async fn failed(&mut self) {
        // The sender is dropped when the thread ends; it never sends.
        let _ = (&mut self.failed).await;
    }

    /// Has the board say what time it is, rather than within a second: a test has moved the clock.
    #[cfg(feature = "testing")]
    pub(crate) fn tell_time(&self) {
        self.shared.board.tend(self.shared.clock.now());
    }

    /// Stops: no new connections, the last answers, what waits for the writer, and the locks last.
    pub(crate) async fn stop(self) -> Result<(), DaemonError> {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(GRACE, self.tasks.wait()).await.is_err() {
            tracing::warn!("some callers did not take their last answers in time");
        }
        for socket in &self.sockets {
            socket.remove();
        }
        self.shared.tell_of_steps().await;
        self.shared.writer.close();
        let joined = tokio::task::spawn_blocking(|| self.writer.join()).await;
        self.lease.join();
        self.shared.board.close();
        joined.map_err(|error| DaemonError::Other(error.to_string()))??;
        Ok(())
    }
}

/// Where the master key of a daemon of these places lies.
pub(crate) fn master_key_of(parts: &Parts) -> PathBuf {
    parts.master_key.clone().unwrap_or_else(|| parts.state_dir.join(MASTER_KEY))
}

struct Opened {
    store: Store,
    /// What the keys are sealed under.
    sealer: Sealer,
    /// What they are to be sealed under, if it lies in the master key's place already.
    next: Option<Sealer>,
    master_file: MasterFile,
    made_master_key: Option<PathBuf>,
}

/// Begins to be believed: the start is on disk, and with it a mark above every stamp that was ever given out, before the board has a lease and
/// anybody is answered.
async fn begin(shared: &Arc<Shared>) -> Result<LeaseThread, DaemonError> {
    let mut others = shared.board.others_lease();
    if !others.is_zero() {
        let seconds = others.as_secs_f32();
        tracing::warn!(
            seconds,
            "the board of the daemon before is out of reach; waiting until nobody believes it"
        );
    }
    // Leases are counted by a clock that goes by ticks, and can be behind the one that this sleeps by.
    while !others.is_zero() {
        tokio::time::sleep(others).await;
        others = shared.board.others_lease();
    }
    let key = shared.keys.sealer().checkpoints();
    let unconfirmed = shared.store.unconfirmed(&key)?;
    shared.store.seal_checkpoints(key);
    let started = shared.write(daemon_itself(), Command::Start).await;
    started.map_err(unwritten)?;
    shared.publisher.jwks.put(&shared.keys.ring().published().jwks);
    if let Some(why) = unconfirmed {
        tracing::error!(%why, "the audit chain that was found is not confirmed; find out who could write the state directory");
        let tell = Command::Tell(Event::AuditUnconfirmed, why);
        shared.write(daemon_itself(), tell).await.map_err(unwritten)?;
    }
    shared.board.open(shared.writer.life(), shared.keys.ring().published().version, shared.clock.now());
    LeaseThread::start(Arc::clone(&shared.board), Arc::clone(&shared.clock))
        .map_err(|error| DaemonError::Other(format!("cannot start the thread of the lease: {error}")))
}

/// Ends a change of the master key that has got as far as to put the new one in its place.
async fn take_over(next: Option<Sealer>, shared: &Shared) -> Result<(), DaemonError> {
    if let Some(next) = next {
        Change::interrupted(next, shared, daemon_itself()).finish().await.map_err(unwritten)?;
        tracing::info!("the new master key is in its place; the old one opens the database no more");
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands behind map_err")]
fn unwritten(refusal: Refusal) -> DaemonError {
    DaemonError::Other(format!("cannot write to the database: {refusal}"))
}

/// The furthest that stamps of an earlier daemon can be ahead of what is on disk and of the wall clock. What says more than that is damaged.
pub(crate) const STAMPS_AHEAD: Duration = Duration::from_hours(24);

/// Takes the runtime directory and the board in it. The state directory is locked by now.
fn claim_board(parts: &Parts, store: &Store, entropy: &Entropy) -> Result<Arc<Board>, DaemonError> {
    own_directory(&parts.runtime_dir)?;
    let known = store.stamp_mark().0.max(parts.time.wall_micros());
    let ahead = u64::try_from(STAMPS_AHEAD.as_micros()).unwrap_or(u64::MAX);
    let board = Board::claim(board::Parts {
        runtime_dir: parts.runtime_dir.clone(),
        state_dir: parts.state_dir.clone(),
        slots: parts.config.board.slots,
        database: *store.database_id(),
        hash_key: entropy.bytes()?,
        highest: Stamp(known.saturating_add(ahead)),
    })?;
    Ok(Arc::new(board))
}

/// Opens the store and makes sure of its keys. A new database gets its keys in its first transaction; an old one without its master key is
/// refused.
fn open(
    state_dir: &Path,
    named: Option<PathBuf>,
    created: Millis,
    entropy: &Entropy,
) -> Result<Opened, DaemonError> {
    let path = named.clone().unwrap_or_else(|| state_dir.join(MASTER_KEY));
    let mut made_master_key = None;
    let mut failed = None;
    let mut first_keys = |database: &[u8; 16], number: u16| {
        // A key that is there already was made by a start that got no further; one that was named is never ours to make.
        let master = if named.is_some() || MasterKey::is_made(&path) {
            MasterKey::read(&path)?
        } else {
            made_master_key = Some(path.clone());
            MasterKey::create(&path, entropy)?
        };
        first_generation(&Sealer::new(master, *database, entropy.clone()), number, created)
    };
    let opened = Store::open(state_dir, entropy.bytes()?, |database, number| {
        first_keys(database, number).map_err(|error| {
            let text = error.to_string();
            failed = Some(error);
            StoreError::Layout(text)
        })
    });
    let store = match (opened, failed) {
        (_, Some(error)) => return Err(error.into()),
        (opened, None) => opened?,
    };
    let found = Sealer::new(MasterKey::read(&path)?, *store.database_id(), entropy.clone());
    let master_file = MasterFile { path, is_ours: named.is_none() };
    if master_file.is_ours && MasterKey::clear_unfinished(&master_file.path) {
        tracing::info!("removed a master key that was never put in its place");
    }
    let (sealer, next) = opening(found, store.master(), &master_file.path)?;
    Ok(Opened { store, sealer, next, master_file, made_master_key })
}

/// What opens the keys, given what lies in the master key's place, and what is to take over from it. Where the new key was put there and nothing
/// further was done, a bridge leads to the old one.
pub(crate) fn opening(
    found: Sealer,
    master: &Master,
    path: &Path,
) -> Result<(Sealer, Option<Sealer>), KeyError> {
    let id = found.id();
    if master.is_under(id) {
        return Ok((found, None));
    }
    if let Some(bridge) = master.bridges.iter().find(|bridge| bridge.from == id) {
        return Ok((found.cross(bridge)?, Some(found)));
    }
    Err(match master.replaced {
        Some((replaced, at)) if replaced == id => KeyError::Replaced { path: path.to_owned(), at },
        _ => KeyError::Unseal,
    })
}

/// Sweeps sessions that are over, a few at a time, so that nobody waits long behind a sweep.
async fn sweep_from_time_to_time(shared: Arc<Shared>, stop: CancellationToken) {
    let (mut swept, mut was_low) = (shared.clock.now(), false);
    while stop.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_some() {
        let now = shared.clock.now();
        shared.tell_of_steps().await;
        shared.backup.let_go_of_old(now);
        shared.export.let_go_of_old(now);
        was_low = shared.watch_the_disk(was_low);
        if now.since(swept) < SWEEP_EVERY && now.since(shared.writer.changed_at()) >= BUSY {
            continue;
        }
        swept = now;
        shared.close_refused().await;
        shared.tend_keys().await;
        loop {
            match shared.write(daemon_itself(), Command::Sweep).await {
                Ok(Outcome::Swept(sessions)) if sessions >= SWEEP_SESSIONS as u64 => {}
                Ok(_) => break,
                Err(refusal) => {
                    tracing::warn!(code = %refusal.code, "a sweep was not done; the next one comes by itself");
                    break;
                }
            }
        }
    }
}
