//! The calls that prove who a user is: each counts the try, does the work of a hash whatever the outcome, and settles in one command.

use std::net::{IpAddr, Ipv6Addr};

use hallpass_protocol::auth::{
    Answer, ChangePassword, Context, Grant, Login, OpenSession, Reauthenticate, RedeemCode, SessionKind,
    UserRef,
};
use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::SessionId;
use hallpass_protocol::limits::{AMR, NAME_BYTES};
use hallpass_protocol::secret::{Password, Token};
use hallpass_protocol::token::Subject;

use super::AuthService;
use super::context::{code_hash, origin};
use crate::domain::account::Name;
use crate::domain::command::{self, Command, Opening, Purpose, Redeem, Settle, Vouch, Whom};
use crate::domain::effect::{Attempt, Outcome};
use crate::domain::policy::{Operation, Permit};
use crate::domain::session::is_alive;
use crate::domain::throttle::Source;
use crate::password::Turn;
use crate::shared::unreadable;

impl AuthService {
    pub(super) async fn answer_login(&self, request: Login) -> Answer<Grant> {
        let permit = self.admit(Operation::Login)?;
        let opening = opening(&request.context, request.kind, request.audience)?;
        let login = self.login(&permit, request.name, &opening, request.device_token.as_ref());
        self.prove(permit, login, &request.password, Purpose::Login, opening).await
    }

    pub(super) async fn answer_reauthenticate(&self, request: Reauthenticate) -> Answer<Grant> {
        let permit = self.admit(Operation::Reauthenticate)?;
        let (session, login, opening) = self.of_session(&permit, Operation::Reauthenticate, &request)?;
        self.prove(permit, login, &request.password, Purpose::Reauthenticate(session), opening).await
    }

    pub(super) async fn answer_change_password(&self, request: ChangePassword) -> Answer<Grant> {
        let permit = self.admit(Operation::ChangePassword)?;
        let (session, login, opening) =
            self.of_session(&permit, Operation::ChangePassword, &request.proof)?;
        let new = self
            .shared
            .hasher
            .hash_new(&request.new_password, &login.name, Turn::usual(permit.app()))
            .await?;
        self.prove(permit, login, &request.proof.password, Purpose::ChangePassword(session, new), opening)
            .await
    }

    pub(super) async fn answer_redeem_code(&self, request: RedeemCode) -> Answer<Grant> {
        let permit = self.admit(Operation::RedeemCode)?;
        let opening = opening(&request.context, request.kind, request.audience)?;
        let login = self.login(&permit, request.name, &opening, None);
        let password = self
            .shared
            .hasher
            .hash_new(&request.new_password, &login.name, Turn::usual(permit.app()))
            .await?;
        let Attempt { allowed, retry_after, .. } = self.attempt(&permit, &login).await?;
        let code = allowed.then(|| code_hash(&request.code));
        let redeem = Redeem { login, allowed, code, password, retry_after, opening };
        self.granted(self.shared.write(permit, Command::Redeem(Box::new(redeem))).await?)
    }

    pub(super) async fn answer_open_session(&self, request: OpenSession) -> Answer<Grant> {
        let permit = self.admit(Operation::OpenSession)?;
        let opening = opening(&request.context, request.kind, request.audience)?;
        let word = |word: &String| {
            (1..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
        };
        if !(1..=AMR).contains(&request.amr.len()) || !request.amr.iter().all(word) {
            let message =
                format!("amr is 1 to {AMR} words of at most 8 small letters, such as \"hwk\" (RFC 8176)");
            return Err(Refusal::because(ErrorCode::InvalidRequest, message));
        }
        let user = match request.user {
            UserRef::Id(id) => Whom::Id(id),
            UserRef::Name(name) => Whom::Name(Name::parse(&name)?),
        };
        let vouch = Vouch { user, amr: request.amr, opening };
        self.granted(self.shared.write(permit, Command::Vouch(Box::new(vouch))).await?)
    }

    /// Every way to fail does the same work.
    async fn prove(
        &self,
        permit: Permit,
        login: command::Login,
        password: &Password,
        purpose: Purpose,
        opening: Opening,
    ) -> Answer<Grant> {
        let attempt = self.attempt(&permit, &login).await?;
        let against = attempt.credential.as_ref().map(|credential| credential.hash.clone());
        let app = permit.app();
        let turn = if attempt.known { Turn::first(app) } else { Turn::usual(app) };
        let checked = self.shared.hasher.check(password, against, turn).await?;
        let settle = Settle {
            purpose,
            login,
            allowed: attempt.allowed,
            proved: attempt.credential.filter(|_| checked.fits),
            rehash: checked.rehash,
            retry_after: attempt.retry_after,
            opening,
        };
        self.granted(self.shared.write(permit, Command::Settle(Box::new(settle))).await?)
    }

    async fn attempt(&self, permit: &Permit, login: &command::Login) -> Answer<Attempt> {
        match self.shared.write(permit.clone(), Command::Attempt(login.clone())).await? {
            Outcome::Attempt(attempt) => Ok(attempt),
            _ => Err(Refusal::new(ErrorCode::Internal)),
        }
    }

    fn login(
        &self,
        permit: &Permit,
        name: String,
        opening: &Opening,
        device: Option<&Token>,
    ) -> command::Login {
        let address = opening.origin.ip.map(network).unwrap_or_default();
        let device = device.and_then(|token| match self.shared.keys.ring().unseal(token) {
            Some(Subject::Device(user, device)) => Some((user, device)),
            _ => None,
        });
        // Longer ones are nobody's, and are counted as one.
        let name = if name.len() <= NAME_BYTES { name } else { String::new() };
        let source = Source { app: permit.app().to_owned(), address };
        command::Login { name, source, device, session: None }
    }

    /// The session behind a token, and the login that proves its user again. Whether the session is alive the settlement says.
    fn of_session(
        &self,
        permit: &Permit,
        operation: Operation,
        request: &Reauthenticate,
    ) -> Answer<(SessionId, command::Login, Opening)> {
        let now = self.shared.clock.now();
        let session =
            self.shown(permit, &request.token, (operation, request.audience.as_deref()), now)?.session();
        let found = self.shared.snapshot()?.found(session).map_err(unreadable)?;
        let own = found.session.filter(|session| permit.reaches(&session.cold.app));
        let (session, user) = own
            .zip(found.user)
            .ok_or_else(|| Refusal::new(ErrorCode::InvalidToken))
            .inspect_err(|refusal| self.remember_foreign(operation, refusal))?;
        let opening = opening(&request.context, session.cold.kind, request.audience.clone())?;
        let login = self.login(permit, user.name.as_str().to_owned(), &opening, None);
        // Whoever has the session is not kept from proving themselves by what strangers have tried.
        let alive = is_alive(Some(&user), &session, &found.cut_offs, now).is_ok();
        let login = command::Login { session: alive.then_some((user.id, session.id)), ..login };
        Ok((session.id, login, opening))
    }
}

/// The address that failures are counted by. Whoever has one address of IPv6 has the network of 64 bits that it lies in.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
            format!("{network}/64")
        }
    }
}

fn opening(context: &Context, kind: SessionKind, audience: Option<String>) -> Answer<Opening> {
    let (origin, tag) = origin(context)?;
    Ok(Opening { kind, audience, origin, tag })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_network_count_as_one() {
        for (address, counted) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ] {
            assert_eq!(network(address.parse().unwrap()), counted, "{address}");
        }
    }
}
