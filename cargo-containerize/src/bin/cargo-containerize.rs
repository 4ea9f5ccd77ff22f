//! The program under the name `cargo-containerize`.

fn main() -> std::process::ExitCode {
    cargo_containerize::main()
}
