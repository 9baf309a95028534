//! Evidence over the counter: what is asked for, and the file in parts.
//!
//! Not for what is in it (see `desk/dossier.rs`).

use std::sync::Arc;

use tonic::Status;

use super::counter_parse as parse;
use crate::desk::{Bodies, Dossier, Error, Showing};
use crate::units::{Index, Name};
use crate::wire::detente::desk::v1 as wire;
use wire::make_evidence_response::Part;

/// Bytes in a part: half of what a message may have.
const CHUNK_BYTES: usize = 1 << 20;

/// Reads what is to be shown.
pub(super) fn showing(
    officer: Name,
    request: &wire::MakeEvidenceRequest,
) -> Result<Showing, Error> {
    let wire::MakeEvidenceRequest { officer: _, request_id, disclose_all, disclose_message_ids } =
        request;
    let bodies = match (disclose_all, disclose_message_ids.as_slice()) {
        (false, []) => Bodies::Hidden,
        (true, []) => Bodies::All,
        (true, _) => return Err(parse::malformed("disclose_message_ids", "beside disclose_all")),
        (false, ids) => {
            let read = |(at, id): (usize, &Vec<u8>)| {
                let field = format!("disclose_message_ids[{at}]");
                parse::message_id(id).map_err(|_| parse::malformed(&field, "not 16 bytes"))
            };
            Bodies::Of(ids.iter().enumerate().map(read).collect::<Result<_, _>>()?)
        }
    };
    Ok(Showing { request: parse::request_id(request_id)?, officer, bodies })
}

/// The parts of a bundle, in order.
pub(super) fn parts(
    dossier: Dossier,
) -> impl Iterator<Item = Result<wire::MakeEvidenceResponse, Status>> + Send + 'static {
    let summary = summary(&dossier);
    let bytes = Arc::new(dossier.bytes);
    let chunks = (0..bytes.len()).step_by(CHUNK_BYTES).map(move |from| {
        let end = bytes.len().min(from + CHUNK_BYTES);
        Part::Chunk(bytes[from..end].to_vec())
    });
    let parts = std::iter::once(Part::Summary(summary)).chain(chunks);
    parts.map(|part| Ok(wire::MakeEvidenceResponse { part: Some(part) }))
}

fn summary(dossier: &Dossier) -> wire::EvidenceSummary {
    let Dossier { bytes, sha256, records, disclosed, undisclosed, unwitnessed, left_out } = dossier;
    let indexes = |indexes: &[Index]| indexes.iter().map(|index| index.0).collect();
    let undisclosed = undisclosed.iter().map(|(message, why)| wire::UndisclosedBody {
        message_id: message.0.to_vec(),
        why: why.clone(),
    });
    wire::EvidenceSummary {
        bytes: bytes.len() as u64,
        sha256: sha256.0.to_vec(),
        records: u32::try_from(*records).unwrap_or(u32::MAX),
        disclosed_message_ids: disclosed.iter().map(|message| message.0.to_vec()).collect(),
        undisclosed: undisclosed.collect(),
        unwitnessed: indexes(unwitnessed),
        left_out: indexes(left_out),
    }
}
