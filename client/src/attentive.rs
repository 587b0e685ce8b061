//! A socket that is looked at for a moment before its task sleeps.
//!
//! On another core the daemon answers a verification sooner than a sleeping thread can be woken, which is most of what a call takes. On the same core it
//! cannot answer while we look, so looking in vain makes us look more and more rarely.

use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// How long it is looked at: about as long as it takes to be woken, so that it never costs much more than sleeping at once.
const LOOK: Duration = Duration::from_micros(50);
/// Most chances to look that are passed over, after looks in vain: one in so many costs nothing that can be measured.
const PASSED_MOST: u32 = 1023;

/// When to look.
#[derive(Debug, Default)]
struct Patience {
    /// Chances that are passed over after the next look in vain, but for one.
    passes: u32,
    /// Chances yet to be passed over.
    left: u32,
}

impl Patience {
    /// Whether to take this chance to look.
    fn takes(&mut self) -> bool {
        let takes = self.left == 0;
        self.left = self.left.saturating_sub(1);
        takes
    }

    fn in_vain(&mut self) {
        self.passes = (2 * self.passes + 1).min(PASSED_MOST);
        self.left = self.passes;
    }

    fn rewarded(&mut self) {
        *self = Self::default();
    }
}

/// The socket.
#[derive(Debug)]
pub(crate) struct Attentive {
    stream: UnixStream,
    patience: Patience,
    looks: bool,
}

impl Attentive {
    /// One that is never looked at for longer than reading takes, until somebody asks for it.
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, patience: Patience::default(), looks: false }
    }

    /// Whether it is worth expecting the answer that comes next.
    pub(crate) fn takes_chance(&mut self) -> bool {
        self.patience.takes()
    }

    /// An answer is expected any moment: the next reading that finds nothing looks again and again, for a moment.
    pub(crate) fn expect(&mut self) {
        self.looks = true;
    }

    /// Reads as soon as there is anything, past the runtime, which would have to go to sleep to learn of it.
    fn look(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let end = Instant::now() + LOOK;
        loop {
            match recv(self.stream.as_raw_fd(), buf.initialize_unfilled(), MsgFlags::MSG_DONTWAIT) {
                Ok(read) => {
                    buf.advance(read);
                    self.patience.rewarded();
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::EAGAIN | Errno::EINTR) if Instant::now() < end => std::hint::spin_loop(),
                Err(Errno::EAGAIN | Errno::EINTR) => {
                    self.patience.in_vain();
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncRead for Attentive {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // What is there already needs no looking, and what comes after it was not expected.
        let looks = std::mem::take(&mut this.looks);
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            // The runtime wakes the task for what comes later.
            Poll::Pending if looks => this.look(buf),
            poll => poll,
        }
    }
}

impl AsyncWrite for Attentive {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn looking_in_vain_makes_it_rare_and_one_reward_makes_it_usual() {
        let mut patience = Patience::default();
        let mut looked = 0;
        for _ in 0..100_000 {
            if patience.takes() {
                looked += 1;
                patience.in_vain();
            }
        }
        assert!((90..120).contains(&looked), "{looked}");
        patience.rewarded();
        assert!(patience.takes() && patience.takes());
    }

    #[tokio::test]
    async fn what_comes_while_it_is_looked_at_is_read_in_that_turn() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = Attentive::new(near);
        let mut bytes = [0; 8];
        let mut read = ReadBuf::new(&mut bytes);
        let poll = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut near).poll_read(cx, &mut read)));
        assert!(poll.await.is_pending());
        far.write_all(b"hi").await.unwrap();
        // The runtime has had no turn in which to hear of it.
        assert!(near.takes_chance());
        assert!(near.look(&mut read).is_ready());
        assert_eq!(read.filled(), b"hi");
        assert!(near.takes_chance() && near.look(&mut ReadBuf::new(&mut [0; 8])).is_pending());
        assert!(!near.takes_chance(), "it was in vain");
        far.write_all(b"ho").await.unwrap();
        assert_eq!(near.read(&mut bytes).await.unwrap(), 2, "and the runtime hears of the next");
        drop(far);
        assert!(
            matches!(near.look(&mut ReadBuf::new(&mut [0; 8])), Poll::Ready(Ok(()))),
            "an end is an answer"
        );
    }
}
