//! Looks at everything that a daemon needs to be well, whether it runs or not, and says what to do about what is not.
//!
//! Each room below gathers what it can see and judges it in plain functions, which the tests hold against made-up sights.

mod answers;
mod board;
mod clock;
mod files;
mod host;
mod report;
mod subject;

use std::path::Path;

use super::args::DoctorArgs;
use super::failure::Failure;
use super::render::Out;
use answers::Answers;
use report::Finding;
use subject::Subject;

/// Looks, and says what was found.
pub(super) async fn run(args: DoctorArgs, socket: Option<&Path>, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut subject = Subject::of(args.places, socket);
    let answers = Answers::ask(&subject).await;
    subject.learn(&answers);
    let mut findings = Vec::new();
    findings.push(subject.configuration());
    findings.extend(files::sockets(&subject));
    findings.extend(answers.of_calls(&subject));
    findings.push(files::master_key(&subject, answers.is_up()));
    findings.push(answers.of_keys(&subject, out.now));
    findings.push(answers.of_audit(&subject).await);
    findings.push(files::disk(&subject, answers.status()));
    let board = board::look(&subject);
    findings.extend(board::judge(&board, &subject, &answers));
    findings.push(clock::daemons(&board, out.now));
    findings.push(clock::kept_right());
    findings.extend(host::kernel());
    findings.extend(host::file_system(&subject));
    findings.extend(host::service(&subject, answers.is_up()));
    report::show(&findings, out)?;
    if findings.iter().any(Finding::is_problem) { Err(Failure::Reported) } else { Ok(()) }
}
