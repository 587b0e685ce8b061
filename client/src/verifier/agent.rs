//! The thread that asks the daemon, so that whoever verifies needs no runtime.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use hallpass_protocol::auth::{Verified, Verify};
use hallpass_protocol::error::{ErrorClass, ErrorCode, Refusal};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use super::clock::monotonic;
use super::entry::{Entry, Question};
use super::judge::Judge;
use super::state::State;
use super::tally::Tally;
use crate::client::Client;
use crate::error::Error;

/// How often what has expired is forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Shortest time between two looks at where the board is and which keys there are.
const RENEW_EVERY: Duration = Duration::from_millis(100);

/// How many questions may wait.
const QUESTIONS: usize = 4096;

/// A question for the daemon, and who is told the answer.
pub(super) struct Job {
    pub(super) verify: Verify,
    pub(super) told: Box<dyn FnOnce(Result<Arc<Entry>, Error>) + Send>,
}

/// What is told to the daemon of what was counted here, and how often.
pub(super) struct Reports {
    pub(super) tally: Arc<Tally>,
    pub(super) every: Duration,
}

/// The way to the thread. It ends when the last of these is dropped.
pub(super) type Jobs = Sender<Job>;

/// Starts the thread, connects, and learns what is needed to judge.
///
/// # Errors
/// As for [`Client::connect`], or a system that has no thread to give.
pub(super) fn start<F>(
    connect: impl FnOnce() -> F + Send + 'static,
    state: Arc<State>,
    reports: Option<Reports>,
) -> Result<Jobs, Error>
where
    F: Future<Output = Result<Client, Error>>,
{
    let (jobs, waiting) = channel(QUESTIONS);
    let (ready, readiness) = std::sync::mpsc::sync_channel(1);
    let work = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(no_thread(&error)))),
        };
        runtime.block_on(async {
            let client = match connect().await {
                Ok(client) => client,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let learned = renew(&client, &state).await;
            let failed = learned.is_err();
            // Whoever started this waits for it.
            let _ = ready.send(learned);
            if !failed {
                let (over, ending) = oneshot::channel();
                let reporting = reports.map(|reports| tokio::spawn(report(client.clone(), reports, ending)));
                serve(client, waiting, &state).await;
                drop(over);
                if let Some(reporting) = reporting {
                    // A panic there has been printed.
                    let _ = reporting.await;
                }
            }
        });
    };
    std::thread::Builder::new().name("hallpass".to_owned()).spawn(work).map_err(|error| no_thread(&error))?;
    readiness.recv().unwrap_or(Err(Error::NoAnswer))?;
    Ok(jobs)
}

fn no_thread(error: &std::io::Error) -> Error {
    let sentence = format!("the thread that asks the daemon cannot be started: {error}");
    Error::Refused(Refusal::because(ErrorCode::Unavailable, sentence))
}

/// Asks what there is to ask until nobody is left who could.
async fn serve(client: Client, mut waiting: Receiver<Job>, state: &Arc<State>) {
    let mut sweep = interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut renewed, mut renewing) = (Instant::now(), tokio::spawn(async {}));
    loop {
        tokio::select! {
            job = waiting.recv() => match job {
                Some(job) => drop(tokio::spawn(ask(client.clone(), Arc::clone(state), job))),
                None => return,
            },
            () = state.renewal.notified(), if renewed.elapsed() >= RENEW_EVERY && renewing.is_finished() => {
                renewed = Instant::now();
                let (client, state) = (client.clone(), Arc::clone(state));
                // What could not be learned now is wanted again by the next question.
                renewing = tokio::spawn(async move { drop(renew(&client, &state).await) });
            }
            _ = sweep.tick() => {
                state.cache.retain(|entry| !entry.has_expired());
            }
        }
    }
}

/// Tells the daemon from time to time what was counted here, and once more when nobody verifies any more.
async fn report(client: Client, reports: Reports, mut ending: oneshot::Receiver<()>) {
    let mut next = interval_at(Instant::now() + reports.every, reports.every);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_over = tokio::select! {
            _ = next.tick() => false,
            _ = &mut ending => true,
        };
        let counted = reports.tally.take();
        let told = if counted.total() > 0 { client.report(counted).await } else { Ok(()) };
        match told {
            // An app that may not verify is refused each time, and a daemon without this call does not learn it.
            Err(error) if matches!(error.class(), ErrorClass::Forbidden | ErrorClass::Invalid) => return,
            // Where it is not known whether it has arrived, to lose it is better than to count it twice.
            Err(error) if error.code() != ErrorCode::Unknown => reports.tally.give_back(counted),
            _ => {}
        }
        if is_over {
            return;
        }
    }
}

async fn ask(client: Client, state: Arc<State>, job: Job) {
    let Job { verify, told } = job;
    let answer = client.verify_stamped(verify.clone()).await;
    let heard = answer.as_ref().err().is_none_or(Error::is_answer);
    state.heard(heard, monotonic());
    let answer = answer.map(|answer| held(&state, &verify, answer));
    if heard && state.wants_renewal.load(Acquire) {
        state.renewal.notify_one();
    }
    told(answer);
}

/// An answer as it is held, if it can be: with the board and the audiences of the same life of the daemon.
fn held(state: &State, verify: &Verify, answer: Verified) -> Arc<Entry> {
    let judge = state.judge.load();
    let judge = judge.as_ref().filter(|judge| judge.life == answer.life);
    let question = Question {
        token: verify.token.expose(),
        audience: judge.map(|judge| judge.audience(&verify.needs)).unwrap_or_default(),
        context: verify.context.as_ref(),
    };
    let board = judge.and_then(|judge| judge.board.clone());
    let entry = Arc::new(Entry::answered(&question, answer, board));
    if entry.can_be_held() {
        state.cache.insert(Arc::clone(&entry));
    } else {
        state.wants_renewal.store(true, Release);
    }
    entry
}

/// Learns where the board is and which keys there are.
async fn renew(client: &Client, state: &State) -> Result<(), Error> {
    state.wants_renewal.store(false, Relaxed);
    let learned = async {
        // In this order: when the daemon is restarted in between, the keys are those of before, which shows.
        let (keys, hello) = (client.jwks().await?, client.hello().await?);
        let former = state.judge.load_full();
        let (judge, fault) = Judge::new(hello, keys, former.as_deref()).map_err(|error| {
            Error::Refused(Refusal::because(
                ErrorCode::Internal,
                format!("the daemon's keys cannot be used: {error}"),
            ))
        })?;
        state.faults.store(fault.map(|fault| Arc::new(fault.to_string())));
        state.judge.store(Some(Arc::new(judge)));
        Ok(())
    };
    learned.await.inspect_err(|_| state.wants_renewal.store(true, Release))
}
