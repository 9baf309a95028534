//! The generated protobuf types, as one tree: `wire::detente::<package>::v1`.
//!
//! Not for use everywhere: the API's types belong to `grpc/`, the stored form's to `codec/`, what
//! is signed and sealed to `envelope/`. `tests/it/tidy.rs` holds the line.

#![expect(
    missing_docs,
    unused_qualifications,
    clippy::large_enum_variant,
    clippy::missing_errors_doc,
    clippy::too_many_lines,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code; the documentation stands in proto/"
)]

include!(concat!(env!("OUT_DIR"), "/wire.rs"));

/// The descriptors of every proto, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/detente.descriptors"));
