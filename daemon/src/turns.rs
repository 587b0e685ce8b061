//! Work that waits, by whose it is: callers take turns, so that one who floods waits behind themselves and fills no more than their share.

use std::collections::VecDeque;

/// The jobs of each caller that has any, and whose turn it is.
#[derive(Debug)]
pub(crate) struct Turns<J> {
    callers: VecDeque<(String, VecDeque<J>)>,
    len: usize,
    most: usize,
    share: usize,
}

/// There is no room for one more job of this caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl<J> Turns<J> {
    /// Nothing yet, and never more than `most` jobs, of which one caller has `share`.
    pub(crate) fn new(most: usize, share: usize) -> Self {
        Self { callers: VecDeque::new(), len: 0, most, share }
    }

    /// Adds a job of this caller, behind those that they have.
    pub(crate) fn push(&mut self, caller: &str, job: J) -> Result<(), NoRoom> {
        let own = self.callers.iter_mut().find(|(name, _)| name == caller);
        if self.len >= self.most || own.as_ref().is_some_and(|(_, jobs)| jobs.len() >= self.share) {
            return Err(NoRoom);
        }
        match own {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.callers.push_back((caller.to_owned(), VecDeque::from([job]))),
        }
        self.len += 1;
        Ok(())
    }

    /// The next job of the caller whose turn it is; the turn then passes on.
    pub(crate) fn pop(&mut self) -> Option<J> {
        let (caller, mut jobs) = self.callers.pop_front()?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.callers.push_back((caller, jobs));
        }
        self.len -= usize::from(job.is_some());
        job
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_take_turns_and_none_has_more_than_its_share() {
        let mut turns = Turns::new(6, 4);
        for job in 0..4 {
            turns.push("flood", job).unwrap();
        }
        assert_eq!(turns.push("flood", 9), Err(NoRoom));
        turns.push("other", 10).unwrap();
        turns.push("third", 20).unwrap();
        assert_eq!(turns.push("fourth", 30), Err(NoRoom), "there are as many as there may be");
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!((order, turns.len()), (vec![0, 10, 20, 1, 2, 3], 0));
    }
}
