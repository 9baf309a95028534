//! The stage-by-move table of a statement's transport, and the names of its evidence.

use detente::envelope::words::Rejection;
use detente::rules::OfferFailure;
use detente::rules::transport::{Evidence, Move, Transport};
use detente::units::{MessageId, Timestamp};

use crate::moves::{approve, table};

const EARLY: Timestamp = Timestamp(1_000);
const LATE: Timestamp = Timestamp(2_000);

#[test]
fn transport() {
    let of = MessageId([1; 16]);
    let all = [
        ("Offer", Move::Offer),
        ("Fail", Move::Fail(OfferFailure::Unreachable)),
        ("HandOver", Move::HandOver),
        ("Receipt", Move::Receipt(None)),
        ("Reject", Move::Receipt(Some(Rejection::NotIdentified))),
        ("Retrieval", Move::Retrieval(None)),
        ("CannotOpen", Move::Retrieval(Some(Rejection::TechnicalMalfunction))),
    ];
    let (offer, fail, hand) = (Move::Offer, Move::Fail(OfferFailure::NoReceipt), Move::HandOver);
    let (receipt, retrieval) = (Move::Receipt(None), Move::Retrieval(None));
    let paths: [(&str, &[Move]); 9] = [
        ("accepted", &[]),
        ("offered", &[offer]),
        ("failed", &[fail]),
        ("offered, failed", &[offer, fail]),
        ("handed over", &[offer, fail, hand]),
        ("delivered", &[offer, receipt]),
        ("rejected", &[offer, Move::Receipt(Some(Rejection::NotIdentified))]),
        ("retrieved", &[offer, receipt, retrieval]),
        ("retrieved unreceipted", &[offer, fail, hand, retrieval]),
    ];
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(all.iter().map(|(name, _)| (*name).to_owned()));
    for (name, path) in paths {
        let mut stage = Transport::accepted(EARLY);
        for by in path {
            assert_eq!(stage.decide(of, *by), Ok(true), "{name}: {by:?}");
            stage.apply(*by, LATE);
        }
        let mut row = vec![format!("{name}: {}", stage.stage().priority())];
        row.extend(all.iter().map(|(_, by)| match stage.decide(of, *by) {
            Ok(true) => {
                let mut next = stage.clone();
                next.apply(*by, LATE);
                let over = if *by == hand { " +content" } else { "" };
                format!("{}{over}", next.stage().priority())
            }
            Ok(false) => "-".to_owned(),
            Err(refusal) => refusal.code().to_owned(),
        }));
        rows.push(row);
    }
    let drawn = table(&rows);
    approve(&drawn, TRANSPORT);
}

#[test]
fn evidence_has_the_names_and_priorities_of_rem() {
    let lines: Vec<Vec<String>> = Evidence::ALL
        .iter()
        .map(|e| {
            let sign = if e.is_positive() { "+" } else { "-" };
            vec![e.priority().to_string(), sign.to_owned(), e.as_str().to_owned()]
        })
        .collect();
    let drawn = table(&lines);
    approve(&drawn, EVIDENCE);
    assert!(Evidence::ALL.windows(2).all(|pair| pair[0] < pair[1]), "order is priority");
}

const TRANSPORT: &str = r"
                          Offer  Fail  HandOver    Receipt  Reject  Retrieval  CannotOpen
accepted: 1               3      5     -           6        7       R-342      R-342
offered: 3                -      5     3 +content  6        7       R-342      R-342
failed: 5                 5      -     -           6        7       R-342      R-342
offered, failed: 5        -      -     5 +content  6        7       R-342      R-342
handed over: 5            -      -     -           6        7       8          9
delivered: 6              -      -     -           R-340    R-340   8          9
rejected: 7               -      -     -           R-340    R-340   R-343      R-343
retrieved: 8              -      -     -           R-340    R-340   R-341      R-341
retrieved unreceipted: 8  -      -     -           8        8       R-341      R-341
";

const EVIDENCE: &str = r"
1  +  SUBMISSION_ACCEPTANCE
2  -  SUBMISSION_REJECTION
3  +  RELAY_REMMD_ACCEPTANCE
4  -  RELAY_REMMD_REJECTION
5  -  RELAY_REMMD_FAILURE
6  +  DELIVERY
7  -  NON_DELIVERY
8  +  RETRIEVAL
9  -  NON_RETRIEVAL
";
