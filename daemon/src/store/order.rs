//! The order in which a change comes to be known, and the order in which an answer is made that is held elsewhere.
//!
//! Whoever verifies without asking relies on both. So each stands here once: the daemon goes by it, and so does the check of every interleaving in
//! `board::model`.

use hallpass_protocol::time::Stamp;

/// What a batch of commands goes through.
pub(crate) trait Steps {
    /// What has come of the batch.
    type Done;
    /// Why it may or may not have been done.
    type Error;

    /// Puts it on disk.
    fn commit(&mut self) -> Result<Self::Done, Self::Error>;
    /// Has nobody go by what they hold if this means that nobody knows what is on disk.
    fn lost(&mut self, error: &Self::Error);
    /// Puts on the board what has changed.
    fn publish(&mut self, done: &Self::Done);
    /// Has answers that are made from now on say that they have seen it.
    fn show(&mut self, done: &Self::Done);
    /// Answers everybody who waits.
    fn answer(&mut self, done: Self::Done);
}

/// Takes a batch through its steps. Nobody is told that something is done before everybody can see it.
pub(crate) fn carry_out<S: Steps>(batch: &mut S) -> Result<(), S::Error> {
    let done = batch.commit().inspect_err(|error| batch.lost(error))?;
    batch.publish(&done);
    batch.show(&done);
    batch.answer(done);
    Ok(())
}

/// One state to read from, and the stamp that answers from it bear. The stamp is loaded first: a change that the state has missed lies above it.
pub(crate) fn stamped<S, E>(
    visible: impl FnOnce() -> Stamp,
    snapshot: impl FnOnce(Stamp) -> Result<S, E>,
) -> Result<(Stamp, S), E> {
    let stamp = visible();
    Ok((stamp, snapshot(stamp)?))
}

/// The same where the state that was opened last is kept with its stamp. It is as good as a new one while nothing has become visible since: all that
/// anybody was told is in it, and the stamp that it goes with was loaded before it was opened.
pub(crate) fn stamped_or_kept<S, E>(
    visible: impl FnOnce() -> Stamp,
    kept: impl FnOnce() -> Option<(Stamp, S)>,
    snapshot: impl FnOnce() -> Result<S, E>,
    keep: impl FnOnce(Stamp, &S),
) -> Result<(Stamp, S), E> {
    stamped(visible, |stamp| match kept() {
        Some((of, state)) if of == stamp => Ok(state),
        _ => snapshot().inspect(|state| keep(stamp, state)),
    })
}
