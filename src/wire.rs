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

/// A part of a form, as an officer wrote it down; none when nothing is filled in.
fn unless_empty<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default + PartialEq,
{
    let part = T::deserialize(from)?;
    Ok((part != T::default()).then_some(part))
}

/// Parts of a form, without those in which nothing is filled in.
fn without_empty<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default + PartialEq,
{
    let parts = <Vec<T> as serde::Deserialize>::deserialize(from)?;
    Ok(parts.into_iter().filter(|part| *part != T::default()).collect())
}
