//! The daemon.

fn main() -> std::process::ExitCode {
    hallpassd::daemon_main()
}
