//! The control command.

fn main() -> std::process::ExitCode {
    hallpassd::ctl_main()
}
