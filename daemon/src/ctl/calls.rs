//! One function for each command: ask for what is needed, call, show the answer.

use std::path::Path;

use hallpass_client::Client;
use hallpass_client::admin::{AddUser, AdminClient, RevokeTarget, RotateKey};
use hallpass_protocol::auth::{Context, Login, Needs, RedeemCode, Refresh, Revoke};
use hallpass_protocol::limits::REVOCATIONS_PER_PAGE;
use hallpass_protocol::paths::admin_socket_beside;

use super::args::{
    AddArgs, AuditVerb, Cli, ClockVerb, CodeArgs, ExportArgs, ImportArgs, KeyVerb, LoginArgs, NameArg,
    PasswdArgs, RefreshArgs, RemoveArgs, ResealArgs, RetireArgs, RevocationVerb, RevokeArgs, RolesArgs,
    RotateArgs, UserVerb, Verb, VerifyArgs,
};
use super::audit;
use super::backup;
use super::bench;
use super::check;
use super::compact;
use super::config;
use super::doctor;
use super::export;
use super::failure::Failure;
use super::import;
use super::input;
use super::meant::or_whom;
use super::metrics;
use super::render::{self, Out};
use super::restore;
use super::sessions;
use super::top;
use super::tour;

type Outcome = Result<(), Failure>;

/// Carries out one command.
pub(super) async fn run(cli: Cli, out: &mut Out<'_>) -> Outcome {
    let socket = Socket(cli.socket.as_deref());
    match cli.verb {
        Verb::Tour => tour::run(out).await,
        Verb::Status => Ok(out.status(&socket.admin().await?.status().await?)?),
        Verb::Top(args) => top::run(&args, &socket.admin().await?, out).await,
        Verb::Metrics(args) => metrics::run(&args, &socket.admin().await?, out).await,
        Verb::Bench(args) => bench::run(&args, socket.0, async || socket.app().await, out).await,
        Verb::Doctor(args) => doctor::run(args, socket.0, out).await,
        Verb::User(verb) => {
            let name = verb.whose().map(str::to_owned);
            let done = user(verb, &socket, out).await;
            match name {
                Some(name) => or_whom(done, &name, async || socket.admin().await).await,
                None => done,
            }
        }
        Verb::Login(args) => login(args, &socket, out).await,
        Verb::Verify(args) => verify(args, &socket, out).await,
        Verb::Refresh(args) => refresh(args, &socket, out).await,
        Verb::Revoke(args) => revoke(args, &socket, out).await,
        Verb::Session(verb) => sessions::run(verb, async || socket.admin().await, out).await,
        Verb::Revocation(RevocationVerb::List) => revocation_list(&socket, out).await,
        Verb::Key(KeyVerb::List) => {
            let keys = socket.admin().await?.key_list().await?;
            Ok(render::keys().page(out, &keys)?)
        }
        Verb::Key(KeyVerb::Rotate(args)) => key_rotate(args, &socket, out).await,
        Verb::Key(KeyVerb::Retire(RetireArgs { kid, yes })) => key_retire(kid, yes, &socket, out).await,
        Verb::Key(KeyVerb::Reseal(args)) => key_reseal(args, &socket, out).await,
        Verb::Key(KeyVerb::Jwks) => Ok(out.jwks(&socket.admin().await?.key_jwks().await?)?),
        Verb::Audit(verb) => audit(verb, &socket, out).await,
        Verb::Config(verb) => config::run(verb, out),
        Verb::Check(args) => check::run(args.file, &args.places, out),
        Verb::Compact(args) => compact::run(&args.places, out),
        Verb::Restore(args) => restore::run(&args, out),
        Verb::Clock(ClockVerb::Accept { yes }) => clock_accept(yes, &socket, out).await,
        Verb::Export(args) => user_export(args, &socket, out).await,
        Verb::Import(args) => user_import(args, &socket, out).await,
        Verb::Backup(args) => backup::run(&args.file, socket.admin().await?, out).await,
    }
}

/// The apps' socket that was named, if one was.
struct Socket<'a>(Option<&'a Path>);

impl Socket<'_> {
    async fn app(&self) -> Result<Client, Failure> {
        Ok(match self.0 {
            Some(path) => Client::connect(path).await?,
            None => Client::connect_default().await?,
        })
    }

    async fn admin(&self) -> Result<AdminClient, Failure> {
        Ok(match self.0 {
            Some(path) => AdminClient::connect(admin_socket_beside(path)).await?,
            None => AdminClient::connect_default().await?,
        })
    }
}

async fn user(verb: UserVerb, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    match verb {
        UserVerb::Add(args) => user_add(args, socket, out).await,
        UserVerb::List => user_list(socket, out).await,
        UserVerb::Show(NameArg { name }) => Ok(out.user(&socket.admin().await?.user_show(name).await?)?),
        UserVerb::Enable(NameArg { name }) => user_enable(name, socket, out).await,
        UserVerb::Disable(NameArg { name }) => user_disable(name, socket, out).await,
        UserVerb::Remove(args) => user_remove(args, socket, out).await,
        UserVerb::Passwd(args) => user_passwd(args, socket, out).await,
        UserVerb::Roles(args) => user_roles(args, socket, out).await,
        UserVerb::Rename { name, new_name } => user_rename(name, new_name, socket, out).await,
        UserVerb::Set { name, attributes } => user_set(name, attributes, socket, out).await,
        UserVerb::Code(args) => user_code(args, socket, out).await,
        UserVerb::Import(args) => user_import(args, socket, out).await,
        UserVerb::Export(args) => user_export(args, socket, out).await,
    }
}

async fn user_import(args: ImportArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let lines = import::open(&args.file)?;
    import::run(lines, args.dry_run, &socket.admin().await?, out).await
}

async fn user_export(args: ExportArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let to = export::open(&args, out)?;
    export::run(to, args.with_hashes, &socket.admin().await?, out).await
}

async fn user_add(args: AddArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let password =
        if args.no_password { None } else { Some(input::new_password(&args.name, args.password_stdin)?) };
    let user = AddUser { name: args.name, password, roles: args.roles };
    Ok(out.added(&socket.admin().await?.user_add(user).await?)?)
}

async fn user_list(socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let admin = socket.admin().await?;
    let mut list = render::users();
    let mut after = None;
    loop {
        let page = admin.user_list(after).await?;
        list.page(out, &page.users)?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn user_enable(name: String, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let user = socket.admin().await?.user_enable(name).await?;
    Ok(out.changed(&user, &format!("{} can log in again.", user.name))?)
}

async fn user_disable(name: String, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let user = socket.admin().await?.user_disable(name).await?;
    Ok(out.changed(&user, &format!("{} can log in no more, and their sessions are over.", user.name))?)
}

async fn user_remove(args: RemoveArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let consequence = format!("{} is removed with all their sessions", args.name);
    input::confirm(args.yes, &consequence, &args.name)?;
    let user = socket.admin().await?.user_remove(args.name).await?;
    Ok(out.changed(&user, &format!("{} is removed, and their sessions are over.", user.name))?)
}

async fn user_passwd(args: PasswdArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let password = input::new_password(&args.name, args.password_stdin)?;
    let user = socket.admin().await?.user_set_password(args.name, password).await?;
    Ok(out.changed(&user, &format!("{} has a new password, and their sessions are over.", user.name))?)
}

async fn user_roles(args: RolesArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let user = socket.admin().await?.user_set_roles(args.name, args.set.0).await?;
    let sentence = if user.roles.is_empty() {
        format!("{} has no roles now.", user.name)
    } else {
        format!("{} has these roles now: {}.", user.name, user.roles.join(", "))
    };
    Ok(out.changed(&user, &sentence)?)
}

async fn user_rename(name: String, new_name: String, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let user = socket.admin().await?.user_rename(name.as_str(), new_name).await?;
    Ok(out
        .changed(&user, &format!("{name} is {} now; nobody can have the old name for 30 days.", user.name))?)
}

async fn user_set(
    name: String,
    attributes: Vec<(String, String)>,
    socket: &Socket<'_>,
    out: &mut Out<'_>,
) -> Outcome {
    let user = socket.admin().await?.user_set_attributes(name, attributes.into_iter().collect()).await?;
    Ok(out
        .changed(&user, &format!("{} has these attributes now: {}.", user.name, render::attributes(&user)))?)
}

/// A code opens an account, so it goes to a terminal or into a file of its own, and never into a pipe or log by mistake.
async fn user_code(args: CodeArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let file = match &args.out {
        Some(path) => Some(input::new_private_file(path)?),
        None if out.width.is_some() => None,
        None => {
            return Err(Failure::usage(
                "a code is shown on a terminal only; name a new file for it with --out",
            ));
        }
    };
    let code = socket.admin().await?.user_code(args.name.as_str()).await?;
    Ok(out.code(&args.name, &code, file)?)
}

async fn login_with_code(args: LoginArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let code = input::token(args.password_stdin)?;
    let new_password = input::new_password(&args.name, args.password_stdin)?;
    let title = format!("{} has a new password and is logged in.", args.name);
    let redeem = RedeemCode {
        name: args.name,
        code,
        new_password,
        kind: args.kind.into(),
        audience: args.audience,
        context: Context { device_label: args.device_label, ..Context::default() },
    };
    Ok(out.grant(&socket.app().await?.redeem_code(redeem).await?, &title)?)
}

async fn key_rotate(args: RotateArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    if args.emergency {
        let what = if args.mac { "every session of every user ends" } else { "every access token ends" };
        input::confirm(args.yes, what, "rotate")?;
    }
    let rotate = RotateKey { mac: args.mac, emergency: args.emergency };
    let keys = socket.admin().await?.key_rotate(rotate).await?;
    Ok(render::keys().page(out, &keys)?)
}

async fn key_retire(kid: String, yes: bool, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    input::confirm(yes, "every access token that this key has signed ends", "retire")?;
    let keys = socket.admin().await?.key_retire(kid).await?;
    Ok(render::keys().page(out, &keys)?)
}

async fn clock_accept(yes: bool, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let consequence =
        "the daemon's time follows the system's clock as it is now, and what is over by then ends";
    input::confirm(yes, consequence, "accept")?;
    Ok(out.clock(&socket.admin().await?.clock_accept().await?)?)
}

async fn key_reseal(args: ResealArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let new_key = args.new_key.as_deref().map(input::new_master_key).transpose()?;
    Ok(out.resealed(&socket.admin().await?.key_reseal(new_key).await?)?)
}

async fn revocation_list(socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let admin = socket.admin().await?;
    let mut list = render::revocations();
    let mut after = None;
    loop {
        let page = admin.revocation_list(after).await?;
        list.page(out, &page)?;
        match page.last() {
            Some(entry) if page.len() >= REVOCATIONS_PER_PAGE => after = Some(entry.key),
            _ => return Ok(()),
        }
    }
}

async fn login(args: LoginArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    if args.code {
        return login_with_code(args, socket, out).await;
    }
    let password = input::password(&args.name, args.password_stdin)?;
    let title = format!("{} is logged in.", args.name);
    let login = Login {
        name: args.name,
        password,
        kind: args.kind.into(),
        audience: args.audience,
        device_token: None,
        context: Context { device_label: args.device_label, ..Context::default() },
    };
    Ok(out.grant(&socket.app().await?.login(login).await?, &title)?)
}

async fn verify(args: VerifyArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let token = input::token(args.token.is_some())?;
    let needs = Needs {
        audience: args.audience,
        roles: args.roles,
        max_auth_age: args.max_auth_age,
        level: args.level,
    };
    Ok(out.identity(&socket.app().await?.verify(token, needs).await?)?)
}

async fn refresh(args: RefreshArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    let token = input::token(args.token.is_some())?;
    let refresh = Refresh { token, attempt: None, audience: args.audience, context: Context::default() };
    let title = "The token that was shown is used up; these replace it.";
    Ok(out.grant(&socket.app().await?.refresh(refresh).await?, title)?)
}

async fn revoke(args: RevokeArgs, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    if let Some(kid) = args.key {
        return key_retire(kid, args.yes, socket, out).await;
    }
    let target = match (args.token, args.session, args.user, args.app) {
        (Some(source), ..) => {
            let token = input::token(source.is_some())?;
            return Ok(out.revoked(socket.app().await?.revoke(Revoke::Token(token)).await?)?);
        }
        (_, Some(session), ..) => RevokeTarget::Session(session),
        (_, _, Some(name), _) => RevokeTarget::User(name),
        (.., Some(app)) => RevokeTarget::App(app),
        (None, None, None, None) => {
            input::confirm(args.yes, "every session of every user ends", "all")?;
            RevokeTarget::All
        }
    };
    Ok(out.revoked(socket.admin().await?.revoke(target).await?)?)
}

async fn audit(verb: AuditVerb, socket: &Socket<'_>, out: &mut Out<'_>) -> Outcome {
    match verb {
        AuditVerb::Tail(args) => audit::tail(args, &socket.admin().await?, out).await,
        AuditVerb::Export(args) => audit::export(args, &socket.admin().await?, out).await,
        AuditVerb::Verify(args) => audit::verify(&args, async || socket.admin().await, out).await,
    }
}

#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;
