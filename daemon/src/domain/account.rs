//! Users: their names, roles and credential, and the changes an administrator makes to them.

use std::collections::BTreeMap;
use std::time::Duration;

use hallpass_protocol::error::{ErrorCode, Refusal};
use hallpass_protocol::id::UserId;
use hallpass_protocol::limits::{ATTRIBUTE_NAME_BYTES, ATTRIBUTE_VALUE_BYTES, ATTRIBUTES, NAME_BYTES, ROLES};
use hallpass_protocol::time::{Millis, Stamp};

use super::command::Case;
use super::effect::{Decision, Effect, Event, Outcome};
use super::throttle::ThrottleKey;

/// A user as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// Never reused; the `sub` of every token.
    pub(crate) id: UserId,
    /// What they log in with.
    pub(crate) name: Name,
    /// The hash of their password in PHC form.
    pub(crate) password: Option<PasswordHash>,
    /// What they may do, in the words of the apps.
    pub(crate) roles: Roles,
    /// Whether they are kept from logging in.
    pub(crate) disabled: bool,
    /// Counts changes of the credential, so that a login which began before one cannot end after it.
    pub(crate) credential_version: u32,
    /// Sessions opened at or before this are dead.
    pub(crate) not_before: Stamp,
    /// What else the administrators keep of them.
    pub(crate) attributes: Attributes,
    /// The code with which they may set a password once.
    pub(crate) code: Option<Code>,
}

/// A code with which a password is set once. Only its hash is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code {
    /// The truncated hash of the code.
    pub(crate) hash: CodeHash,
    /// When it ends.
    pub(crate) expires: Millis,
}

/// The truncated hash of a code of 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodeHash(pub(crate) [u8; 16]);

/// How long a code may be used.
const CODE_LIFETIME: Duration = Duration::from_hours(24);
/// How long nobody can have a name that somebody else gave up.
const QUARANTINE: Duration = Duration::from_hours(30 * 24);

/// The hash of a password in PHC form. It opens no door, but it is nobody's to read.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PasswordHash(pub(crate) String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// A user name: a small letter or digit, then up to 63 small letters, digits, dots, underscores, at signs or hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name(String);

impl Name {
    /// The name, if it is one.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let starts = text.bytes().next().is_some_and(inner);
        let goes_on = text.bytes().all(|byte| inner(byte) || b"._@-".contains(&byte));
        if starts && goes_on && text.len() <= NAME_BYTES {
            return Ok(Self(text.to_owned()));
        }
        Err(Refusal::because(
            ErrorCode::InvalidRequest,
            "a user name starts with a small letter or digit and goes on with up to 63 of these: a-z 0-9 . _ @ -",
        ))
    }

    /// The name's text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A set of roles, small enough for an access token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Roles(Vec<String>);

/// Most bytes the roles may take in an access token, quotes and commas included, so that a token never passes 1 KiB.
const ROLES_BYTES: usize = 192;

impl Roles {
    /// The set of these roles, sorted, each once.
    pub(crate) fn parse(mut roles: Vec<String>) -> Result<Self, Refusal> {
        roles.sort_unstable();
        roles.dedup();
        let fits = |role: &String| {
            (1..=NAME_BYTES).contains(&role.len())
                && role.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/@-".contains(&byte))
        };
        if !roles.iter().all(fits) {
            return Err(Refusal::because(
                ErrorCode::InvalidRequest,
                "a role has 1 to 64 of these: a-z A-Z 0-9 . _ : / @ -",
            ));
        }
        if roles.len() > ROLES || roles.iter().map(|role| role.len() + 3).sum::<usize>() > ROLES_BYTES {
            return Err(Refusal::because(
                ErrorCode::InvalidRequest,
                format!(
                    "these roles would not fit an access token: at most {ROLES} roles of {ROLES_BYTES} bytes together; use fewer or shorter names"
                ),
            ));
        }
        Ok(Self(roles))
    }

    /// The roles in order.
    pub(crate) fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether this role is among them.
    pub(crate) fn contains(&self, role: &str) -> bool {
        self.0.binary_search_by(|have| have.as_str().cmp(role)).is_ok()
    }
}

/// A few words about a user, each under a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Attributes(BTreeMap<String, String>);

impl Attributes {
    /// These attributes, if they are few and short enough.
    pub(crate) fn parse(attributes: BTreeMap<String, String>) -> Result<Self, Refusal> {
        let name = |name: &str| {
            (1..=ATTRIBUTE_NAME_BYTES).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
        };
        let value =
            |value: &str| value.len() <= ATTRIBUTE_VALUE_BYTES && !value.chars().any(char::is_control);
        if attributes.len() <= ATTRIBUTES && attributes.iter().all(|(one, other)| name(one) && value(other)) {
            return Ok(Self(attributes));
        }
        Err(Refusal::because(
            ErrorCode::InvalidRequest,
            format!(
                "a user has at most {ATTRIBUTES} attributes, each a name of 1 to {ATTRIBUTE_NAME_BYTES} of a-z 0-9 . _ - \
                 and a value of at most {ATTRIBUTE_VALUE_BYTES} bytes without control characters"
            ),
        ))
    }

    /// The attributes by name.
    pub(crate) fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// A user to be added.
#[derive(Debug, Clone)]
pub(crate) struct NewUser {
    /// Who they were in another database, and are to be in this one. Without it they are somebody new.
    pub(crate) id: Option<UserId>,
    /// Under this name.
    pub(crate) name: Name,
    /// With this credential.
    pub(crate) password: Option<PasswordHash>,
    /// These roles.
    pub(crate) roles: Roles,
    /// And these attributes.
    pub(crate) attributes: Attributes,
    /// Whether they are kept from logging in at first.
    pub(crate) disabled: bool,
}

impl NewUser {
    /// Somebody new of whom nothing but the name is known.
    pub(crate) fn named(name: Name) -> Self {
        let (roles, attributes) = (Roles::default(), Attributes::default());
        Self { id: None, name, password: None, roles, attributes, disabled: false }
    }
}

/// Adds a user under a name that nobody has.
pub(crate) fn add(new: &NewUser, case: &Case<'_>) -> Decision {
    if case.facts.name_taken {
        return Decision::refused(Event::UserAdd, ErrorCode::AlreadyExists).about_name(&new.name);
    }
    if let Some(there) = &case.facts.user {
        return Decision::refused(Event::UserAdd, is_there(there)).about_user(there.id);
    }
    let NewUser { id, name, password, roles, attributes, disabled } = new.clone();
    let user = User {
        id: id.unwrap_or_else(|| UserId::new(case.at.now, case.random_in_order())),
        name,
        password,
        roles,
        disabled,
        credential_version: 1,
        // Whoever comes back as who they were may have had sessions here; those stay over.
        not_before: id.map_or_else(Stamp::default, |_| case.at.stamp),
        attributes,
        code: None,
    };
    changed(Event::UserAdd, user)
}

/// The answer for an identifier that somebody has.
pub(crate) fn is_there(user: &User) -> Refusal {
    let name = user.name.as_str();
    let message = format!("the user of this identifier is here already, under the name {name}");
    Refusal::because(ErrorCode::InvalidRequest, message)
}

/// A change to one user's row.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Lets them log in again; what ended stays ended.
    Enable,
    /// Ends their sessions and keeps them from logging in.
    Disable,
    /// Sets the credential and ends their sessions.
    SetPassword(PasswordHash),
    /// Replaces their roles.
    SetRoles(Roles),
    /// Replaces their attributes.
    SetAttributes(Attributes),
    /// Lets them set a password with this code. It takes the place of any before it.
    SetCode(CodeHash),
    /// Gives them another name.
    Rename(Name),
    /// Removes them.
    Remove,
}

impl Change {
    const fn event(&self) -> Event {
        match self {
            Self::Enable => Event::UserEnable,
            Self::Disable => Event::UserDisable,
            Self::SetPassword(_) => Event::UserPassword,
            Self::SetRoles(_) => Event::UserRoles,
            Self::SetAttributes(_) => Event::UserAttributes,
            Self::SetCode(_) => Event::UserCode,
            Self::Rename(_) => Event::UserRename,
            Self::Remove => Event::UserRemove,
        }
    }
}

/// Changes a user, if there is one.
pub(crate) fn change(name: &Name, change: &Change, case: &Case<'_>) -> Decision {
    let event = change.event();
    let Some(user) = &case.facts.user else {
        return Decision::refused(event, no_such_user()).about_name(name);
    };
    let mut user = user.clone();
    let counted = ThrottleKey::Credential(user.id);
    match change {
        Change::Enable => user.disabled = false,
        Change::Disable => {
            user.disabled = true;
            user.not_before = case.at.stamp;
        }
        Change::SetPassword(hash) => {
            user.password = Some(hash.clone());
            user.credential_version = user.credential_version.wrapping_add(1);
            user.not_before = case.at.stamp;
            user.code = None;
        }
        Change::SetRoles(roles) => user.roles = roles.clone(),
        Change::SetAttributes(attributes) => user.attributes = attributes.clone(),
        Change::SetCode(hash) => {
            user.code = Some(Code { hash: *hash, expires: case.at.now.plus(CODE_LIFETIME) });
        }
        Change::Rename(new) => return renamed(user, new, case),
        Change::Remove => return removed(user),
    }
    let mut decision = changed(event, user);
    if matches!(change, Change::SetPassword(_)) {
        // A person has looked at the account: what was counted against the old password is over.
        decision.effects.push(Effect::ClearFailures(counted));
    }
    decision
}

/// The answer for a name that nobody has.
pub(crate) fn no_such_user() -> Refusal {
    Refusal::because(
        ErrorCode::NotFound,
        "there is no user of that name; `hallpass user list` shows those there are",
    )
}

fn changed(event: Event, user: User) -> Decision {
    Decision::done(event, Outcome::User(user.clone())).about_user(user.id).with(Effect::PutUser(user))
}

/// The user stays who they are. The old name leads nowhere for a while: whoever took it at once would be taken for its old owner.
fn renamed(user: User, new: &Name, case: &Case<'_>) -> Decision {
    if case.facts.name_taken {
        return Decision::refused(Event::UserRename, ErrorCode::AlreadyExists).about_user(user.id);
    }
    let old = user.name.clone();
    let detail = format!("name {} to {}", old.as_str(), new.as_str());
    let decision = changed(Event::UserRename, User { name: new.clone(), ..user }).detail(detail);
    decision.with(Effect::ReserveName { name: old, until: case.at.now.plus(QUARANTINE) })
}

/// The sessions of a removed user need no row of their own: without a user none is alive.
fn removed(user: User) -> Decision {
    let effect = Effect::RemoveUser { id: user.id, name: user.name.clone() };
    Decision::done(Event::UserRemove, Outcome::User(user.clone()))
        .about_user(user.id)
        .about_name(&user.name)
        .with(effect)
        .with(Effect::ClearFailures(ThrottleKey::Credential(user.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d16_names_that_are_none_are_refused() {
        for bad in
            ["", "../x", "-h", "a;b", ".a", "_a", "@a", "Alice", "é", "root\nuid=0", "a b", &"a".repeat(65)]
        {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
        for good in ["a", "0", "alice", "alice@example.org", "a-b_c.d", &"a".repeat(64)] {
            assert_eq!(Name::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn roles_are_a_set_that_fits_a_token() {
        let roles = Roles::parse(vec!["b".into(), "a".into(), "b".into()]).unwrap();
        assert_eq!(roles.as_slice(), ["a", "b"]);
        assert!(roles.contains("a") && !roles.contains("c"));
        for bad in [
            vec![String::new()],
            vec!["a b".into()],
            vec!["é".into()],
            vec!["\"".into()],
            vec!["x".repeat(65)],
        ] {
            assert!(Roles::parse(bad.clone()).is_err(), "{bad:?}");
        }
        let four_of = |len: usize| (0..4).map(|i| i.to_string() + &"r".repeat(len - 1)).collect::<Vec<_>>();
        assert!(Roles::parse(four_of(45)).is_ok());
        assert!(Roles::parse(four_of(46)).is_err());
        let short = |count: usize| (10..10 + count).map(|i| i.to_string()).collect::<Vec<_>>();
        assert!(Roles::parse(short(ROLES)).is_ok());
        assert!(Roles::parse(short(ROLES + 1)).is_err());
    }

    #[test]
    fn a_hash_is_not_printed() {
        assert_eq!(format!("{:?}", PasswordHash("$hash".into())), "PasswordHash(..)");
    }

    #[test]
    fn attributes_are_few_and_short() {
        let of = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let many = |count: usize| (0..count).map(|i| (format!("n{i}"), String::new())).collect();
        let long = |bytes: usize| "x".repeat(bytes);
        for bad in [
            of("", "v"),
            of("Team", "v"),
            of("a b", "v"),
            of("é", "v"),
            of(&long(ATTRIBUTE_NAME_BYTES + 1), "v"),
            of("team", &long(ATTRIBUTE_VALUE_BYTES + 1)),
            of("team", "red\nblue"),
            many(ATTRIBUTES + 1),
            BTreeMap::from([("team".into(), "red".into()), ("Team".into(), "red".into())]),
        ] {
            assert!(Attributes::parse(bad.clone()).is_err(), "{bad:?}");
        }
        for good in [
            BTreeMap::new(),
            of("a-b_c.d9", ""),
            of(&long(ATTRIBUTE_NAME_BYTES), "v"),
            of("team", &long(ATTRIBUTE_VALUE_BYTES)),
            many(ATTRIBUTES),
        ] {
            assert_eq!(Attributes::parse(good.clone()).unwrap().as_map(), &good);
        }
    }
}
