//! The `phoenix` binary: see `phoenix --help`.

mod commands;

fn main() -> std::process::ExitCode {
    commands::run()
}
