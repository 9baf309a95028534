//! Compiles the protos without `protoc`, which a fresh machine does not have.

use std::path::PathBuf;

use prost::Message as _;

const PROTOS: [&str; 8] = [
    "detente/envelope/v1/envelope.proto",
    "detente/form/v1/form.proto",
    "detente/journal/v1/record.proto",
    "detente/desk/v1/desk.proto",
    "detente/desk/v1/agent.proto",
    "detente/directory/v1/directory.proto",
    "detente/operator/v1/operator.proto",
    "detente/log/v1/log.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // For server reflection.
    std::fs::write(out.join("detente.descriptors"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .include_file("wire.rs")
        .compile_fds(descriptors)?;
    Ok(())
}
