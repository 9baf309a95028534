//! Stands in for `envelope::form` until it is here.

use crate::envelope::RequestFacts;
use crate::envelope::words::RequestType;
use crate::wire::detente::form::v1::Body;

pub(super) struct Unfit {
    pub(super) line: Option<usize>,
    pub(super) malformed: Malformed,
}

pub(super) struct Malformed {
    pub(super) field: String,
    pub(super) why: String,
}

pub(super) fn lines(body: &Body) -> Vec<(String, String)> {
    vec![("form".to_owned(), format!("{body:?}"))]
}

pub(super) fn json(body: &Body) -> serde_json::Value {
    serde_json::Value::String(format!("{body:?}"))
}

pub(super) fn from_toml(_text: &str, _request: &RequestFacts) -> Result<Body, Vec<Unfit>> {
    let why = "forms are not there yet".to_owned();
    Err(vec![Unfit { line: None, malformed: Malformed { field: "form".to_owned(), why } }])
}

pub(super) fn template(kind: RequestType) -> String {
    format!("# {kind}\n")
}
