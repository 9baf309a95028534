//! Compiles the protos without `protoc`, which a fresh machine does not have.

use std::path::PathBuf;

use prost::Message as _;

const PROTOS: [&str; 15] = [
    "detente/envelope/v1/envelope.proto",
    "detente/envelope/v1/entry.proto",
    "detente/form/v1/form.proto",
    "detente/form/v1/part.proto",
    "detente/form/v1/request.proto",
    "detente/journal/v1/record.proto",
    "detente/desk/v1/desk.proto",
    "detente/desk/v1/approval.proto",
    "detente/desk/v1/alarm.proto",
    "detente/desk/v1/call.proto",
    "detente/desk/v1/proof.proto",
    "detente/desk/v1/agent.proto",
    "detente/directory/v1/directory.proto",
    "detente/operator/v1/operator.proto",
    "detente/log/v1/log.proto",
];

/// The package of the forms that officers fill in.
const FORMS: &str = "detente.form.v1";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // For server reflection.
    std::fs::write(out.join("detente.descriptors"), descriptors.encode_to_vec())?;
    let mut builder = tonic_prost_build::configure().build_transport(false).include_file("wire.rs");
    for file in descriptors.file.iter().filter(|file| file.package() == FORMS) {
        for message in &file.message_type {
            // The forms of requests are long: a body should not be as long as the longest of them
            // wherever it is moved. The first two have always been held in place.
            for form in message.field.iter().filter(|form| matches!(form.number(), 3..=19)) {
                if message.name() == "Body" {
                    builder = builder.boxed(format!(".{FORMS}.Body.form.{}", form.name()));
                }
            }
            // `Body` says which form it is, and `Text` may be written without its language: both
            // are read by hand.
            if matches!(message.name(), "Body" | "Text") {
                continue;
            }
            let at = format!(".{FORMS}.{}", message.name());
            let derive = "#[derive(::serde::Deserialize)] #[serde(default, deny_unknown_fields)]";
            builder = builder.message_attribute(&at, derive);
            for field in message.field.iter().filter(|field| field.type_name.is_some()) {
                // A part in which nothing is filled in is left out, and so is such an identifier.
                let with = match (field.type_name(), field.label().as_str_name()) {
                    (_, "LABEL_OPTIONAL") => "unless_empty",
                    (".detente.form.v1.Identifier", _) => "without_empty",
                    _ => continue,
                };
                let read = format!("#[serde(deserialize_with = \"crate::wire::{with}\")]");
                builder = builder.field_attribute(format!("{at}.{}", field.name()), read);
            }
        }
    }
    builder.compile_fds(descriptors)?;
    Ok(())
}
