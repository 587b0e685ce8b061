//! The random source. Nothing else draws randomness.

use std::fmt;
use std::sync::Arc;

use getrandom::SysRng;
use hallpass_protocol::error::{ErrorCode, Refusal};
use rand_core::TryRng;

use crate::domain::command::Fresh;

/// Where randomness comes from: the system, or a test that makes it fail.
pub(crate) trait RandomSource: Send + Sync + fmt::Debug {
    /// Fills all of `bytes`, or nothing.
    ///
    /// # Errors
    /// A source that cannot give randomness now; nothing may go on without it.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The random source gives nothing.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the system's random source failed")]
pub(crate) struct NoEntropy;

/// The operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemRandom;

impl RandomSource for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        SysRng.try_fill_bytes(bytes).map_err(|_| NoEntropy)
    }
}

/// Randomness in the shapes the daemon needs.
#[derive(Debug, Clone)]
pub(crate) struct Entropy(Arc<dyn RandomSource>);

impl Entropy {
    /// Randomness from this source.
    pub(crate) fn new(source: Arc<dyn RandomSource>) -> Self {
        Self(source)
    }

    /// Random bytes.
    pub(crate) fn bytes<const N: usize>(&self) -> Result<[u8; N], NoEntropy> {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// What one command may need; without it the command is refused.
    pub(crate) fn fresh(&self) -> Result<Fresh, Refusal> {
        let bytes: [u8; 36] = self.bytes().map_err(|_| Refusal::new(ErrorCode::Unavailable))?;
        let mut fresh = Fresh {
            id: [0; 10],
            jti: [0; 8],
            device: [0; 16],
            jitter: u16::from_be_bytes([bytes[34], bytes[35]]),
        };
        fresh.id.copy_from_slice(&bytes[..10]);
        fresh.jti.copy_from_slice(&bytes[10..18]);
        fresh.device.copy_from_slice(&bytes[18..34]);
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that is dry.
    #[derive(Debug)]
    struct Nothing;

    impl RandomSource for Nothing {
        fn fill(&self, _: &mut [u8]) -> Result<(), NoEntropy> {
            Err(NoEntropy)
        }
    }

    #[test]
    fn g12_without_randomness_nothing_goes_on() {
        let entropy = Entropy::new(Arc::new(Nothing));
        assert!(entropy.bytes::<16>().is_err());
        assert!(entropy.fresh().is_err_and(|refusal| refusal.code == ErrorCode::Unavailable));
    }
}
