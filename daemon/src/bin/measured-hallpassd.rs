//! The daemon, as `bench/` measures it.

fn main() -> std::process::ExitCode {
    hallpassd::measured_main()
}
