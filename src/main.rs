//! The `detente` program: arguments to subcommand to exit code.

fn main() {}
