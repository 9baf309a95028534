//! The forms of new requests, one file per group of types: what stands in them, what must.
//!
//! Not for the forms of acts on a request (see `fields.rs` and `complete.rs`). A form of a request
//! is laid out once, in its group; its template stands in `templates/`.

mod assistance;
mod emergency;
mod exchange;
mod money;
mod preservation;
mod suspect;
mod template;

pub(super) use template::{prior_conditions, template};

use super::needs::Needs;
use super::rows::Rows;
use crate::envelope::RequestFacts;

/// The form of a new request.
pub(super) trait RequestForm {
    /// Every field, filled in or not, in the form's order.
    fn rows<'a>(&'a self, rows: &mut Rows<'a>);

    /// Notes every field that must be filled in and is not, or does not fit the request's facts.
    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts);
}
