//! The wall clock was set: what is written down of it, and who says that it is right.

use hallpass_protocol::admin::ClockAccepted;
use hallpass_protocol::auth::Answer;

use crate::caller::daemon_itself;
use crate::domain::command::Command;
use crate::domain::effect::Event;
use crate::domain::policy::Permit;
use crate::shared::Shared;

impl Shared {
    /// Writes down that the wall clock was set, where it was since this was last asked.
    pub(crate) async fn tell_of_steps(&self) {
        for step in self.clock.take_steps() {
            tracing::warn!("{step}");
            let told = self.write(daemon_itself(), Command::Tell(Event::ClockStep, step.to_string())).await;
            if let Err(refusal) = told {
                tracing::warn!(code = %refusal.code, "that the clock was set is in this log only");
            }
        }
    }

    /// Follows the wall clock however far it is ahead. It is written down first, under the time of before.
    pub(crate) async fn clock_accept(&self, permit: Permit) -> Answer<ClockAccepted> {
        self.tell_of_steps().await;
        self.write(permit, Command::Tell(Event::ClockAccept, String::new())).await?;
        let (before, now) = self.clock.accept();
        Ok(ClockAccepted { before, now })
    }
}
