//! What an officer should be told of a request because its statements do not fit together.
//!
//! Not for what is unlawful: that is refused. Whether a request for mutual assistance must follow a
//! disclosure is said twice, in the sealed form of the determination and in the plain execution,
//! and only a desk that has opened the form can compare them.

use std::sync::Arc;

use super::case::Held;
use crate::envelope::Act;
use crate::envelope::words::Extent;
use crate::wire::detente::form::v1::{Body, DeterminationForm, body::Form};

/// What the statements of a request, with their forms as far as they are opened, say differently.
pub fn remarks(statements: &[Arc<Held>], forms: &[Option<Body>]) -> Vec<String> {
    let mut accepted: Option<&DeterminationForm> = None;
    let mut found = Vec::new();
    for (held, form) in statements.iter().zip(forms) {
        if held.rejected.is_some() || held.refused.is_some() {
            continue;
        }
        if let Act::Determine { outcome, .. } = &held.statement.act {
            let form = form.as_ref().and_then(|body| body.form.as_ref());
            accepted = match form {
                Some(Form::Determination(form)) if outcome.accepts() => Some(form),
                Some(_) | None => None,
            };
        }
        if let Act::Execute { extent, mla_demanded, .. } = &held.statement.act
            && *extent != Extent::NoDataHeld
            && let Some(determined) = accepted
            && determined.mla_required != *mla_demanded
        {
            found.push(contradiction(determined));
        }
    }
    found
}

fn contradiction(determined: &DeterminationForm) -> String {
    let by = match determined.mla_required_by.as_str() {
        "" => String::new(),
        day => format!(" by {day}"),
    };
    if determined.mla_required {
        format!(
            "the determination requires a request for mutual assistance{by}, and the execution \
             demands none: ask which holds, and be ready to send one (SAP Art. 9(5))"
        )
    } else {
        "the execution demands a request for mutual assistance, and the determination required \
         none: ask which holds, and be ready to send one (SAP Art. 9(5))"
            .to_owned()
    }
}
