//! The desk's own view of the relay's logs: the directory as it comes, and what the witnesses have
//! seen, held against what the relay has shown this desk.
//!
//! Not for how heads are kept and compared (see `witness/heads.rs`), and not for the connection.

use std::sync::Arc;

use super::error::{Error, OpenError};
use super::record::{Monitored, Record};
use super::store::Scratch;
use super::witness::{
    Contradiction, Head, Judged, NoHead, SEEN_MAX, Standing, WitnessedHead, Wrong,
};
use super::{CaseFile, Desk, IncomingEntry, Published, TakenEntries, intake, off_the_workers};
use crate::codec::Log;
use crate::tlog::{Checkpoint, LogProof, Note};
use tokio::sync::watch;

/// The log of the members' entries.
const DIRECTORY: &str = "directory";

impl Desk {
    /// Takes records of the directory log from the relay, in order. When this answers, those that
    /// can be believed are on disk; what cannot is an alarm and changes nothing.
    ///
    /// # Errors
    /// When the disk is full or failed: nothing of the batch is kept.
    pub async fn take_entries(&self, batch: Vec<IncomingEntry>) -> Result<TakenEntries, Error> {
        let before = self.file().contacts().next_leaf();
        let decide = move |scratch: &mut Scratch| Ok(intake::take_entries(scratch, batch));
        let taken = self.inner.store.write(decide).await?;
        if let Some(foul) = &taken.foul {
            self.alarm(foul);
        }
        self.check_directory().await?;
        self.spread_log_keys();
        self.alarm_of_strange(before);
        Ok(taken)
    }

    /// Waits until `leaves` records of the directory log are here. Waits for ever if they do not
    /// come.
    ///
    /// # Errors
    /// When the desk stops.
    pub async fn directory_reached(&self, leaves: u64) -> Result<(), Error> {
        let reached = |published: &Published| published.file.contacts().next_leaf() >= leaves;
        self.changes().wait_for(reached).await.map(drop).map_err(|_| Error::Stopped)
    }

    /// Tells whenever a head with the quorum has come.
    pub fn witnessing(&self) -> watch::Receiver<u64> {
        self.inner.witnessed.subscribe()
    }

    /// How far a log is witnessed.
    pub fn witnessed(&self, log: &str) -> Standing {
        self.inner.heads.standing(log)
    }

    /// Judges a head that the relay published.
    ///
    /// # Errors
    /// [`NoHead`] when the log, or a witness whose name it bears, has not signed it.
    pub fn judge_head(&self, log: &str, text: &str) -> Result<Judged, NoHead> {
        self.inner.heads.judge(log, text)
    }

    /// Notes a head that the log signed in a receipt of this desk: it is held against what the
    /// witnesses have seen.
    pub fn see_head(&self, log: &str, head: Head) {
        self.inner.heads.see(log, head);
    }

    /// The same of a note that the log has been found to have signed.
    pub(super) fn see_note(&self, note: &Note) {
        let Ok(checkpoint) = note.text().parse::<Checkpoint>() else { return };
        let Some(log) = Log::of_origin(checkpoint.origin()) else { return };
        let (size, root) = (checkpoint.size(), checkpoint.root());
        self.see_head(log.as_str(), Head { size, root, note: note.clone() });
    }

    /// Notes the heads of the newest proofs that are here and that the witnesses have not seen yet:
    /// they were to be compared when the desk was last stopped.
    pub(super) fn see_kept_proofs(&self) -> Result<(), OpenError> {
        let file = self.file();
        for log in Log::ALL {
            let places = file.proofs().unwitnessed_places(log).take(SEEN_MAX);
            // The oldest first, as they came.
            for place in places.collect::<Vec<_>>().into_iter().rev() {
                let proof = self.kept_proof_blocking(place).map_err(|error| {
                    OpenError::Start(format!("a kept proof cannot be read: {error}"))
                })?;
                if let Ok(LogProof { checkpoint, .. }) = proof.parse() {
                    self.see_note(&checkpoint);
                }
            }
        }
        Ok(())
    }

    /// What a head with the quorum is to be compared with: nothing while evidence against the log
    /// stands.
    pub fn heads_to_compare(&self, log: &str, head: &WitnessedHead) -> Vec<Head> {
        let mut heads = self.inner.heads.to_compare(log, head);
        let own = self.inner.witness.newest(log);
        let differs = |own: &Head| (own.size, own.root) != (head.head.size, head.head.root);
        heads.extend(own.filter(differs));
        heads
    }

    /// True while evidence against a log stands: its heads are not followed.
    pub fn is_contradicted(&self, log: &str) -> bool {
        self.inner.evidence.standing_of(log).is_some()
    }

    /// A head was compared, and agrees with what the witnesses have seen.
    pub fn head_agrees(&self, log: &str, head: &Head) {
        self.inner.heads.agrees(log, head);
    }

    /// Keeps a head that has the quorum and contradicts nothing, and compares that of the directory
    /// log with the entries that are here.
    ///
    /// # Errors
    /// When the disk is full or failed.
    pub async fn keep_head(&self, log: &str, head: WitnessedHead) -> Result<(), Error> {
        let (desk, name) = (self.clone(), log.to_owned());
        off_the_workers(move || {
            let kept = desk.inner.heads.keep(&name, head);
            kept.map_err(|error| Error::Fault(error.to_string()))
        })
        .await?;
        self.inner.witnessed.send_modify(|times| *times += 1);
        if log == DIRECTORY {
            self.check_directory().await?;
            self.spread_log_keys();
        }
        Ok(())
    }

    /// Keeps what proves a log wrong, and raises the alarm. While other evidence against the log
    /// stands, nothing more is kept.
    ///
    /// # Errors
    /// When the disk is full or failed.
    pub async fn contradicted(&self, about: Contradiction) -> Result<(), Error> {
        if self.is_contradicted(&about.log) {
            return Ok(());
        }
        let (evidence, now) = (Arc::clone(&self.inner.evidence), self.now());
        let kept = off_the_workers(move || {
            evidence.keep(&about, now).map_err(|error| Error::Fault(error.to_string()))
        })
        .await?;
        self.alarm_of(&kept);
        Ok(())
    }

    /// How many leaves of the directory log are as the witnesses have seen them: the newest head of
    /// theirs that this desk has computed itself from the entries that it was sent.
    pub fn witnessed_leaves(&self) -> u64 {
        self.file().contacts().witnessed()
    }

    /// Compares the directory log's newest head with the entries that came, as far as they go. That
    /// they agree is noted; a difference is evidence, and an alarm.
    ///
    /// # Errors
    /// When the disk is full or failed.
    pub async fn check_directory(&self) -> Result<(), Error> {
        let Some(WitnessedHead { head, .. }) = self.witnessed(DIRECTORY).witnessed else {
            return Ok(());
        };
        let size = head.size;
        let Some(root) = self.file().contacts().root_of(size) else {
            // Entries that the head has are on their way; from now on no other counts.
            return self.note_witnessed(0).await;
        };
        if root == head.root {
            return self.note_witnessed(size).await;
        }
        self.note_witnessed(0).await?;
        let what = format!(
            "the witnesses have seen a directory log of {size} leaves with root {}; the entries \
             that the relay sent this desk make one with root {root}: the relay shows this desk \
             another directory",
            head.root
        );
        self.contradicted(Contradiction {
            wrong: Wrong::Directory,
            log: DIRECTORY.to_owned(),
            first: head.note.to_string(),
            second: format!("computed from the entries here\n{size}\n{root}\n"),
            proof: String::new(),
            what,
        })
        .await
    }

    async fn note_witnessed(&self, leaves: u64) -> Result<(), Error> {
        let is_new = move |file: &CaseFile| {
            let contacts = file.contacts();
            !contacts.is_witnessed() || contacts.witnessed() < leaves
        };
        if !is_new(&self.file()) {
            return Ok(());
        }
        let decide = move |scratch: &mut Scratch| {
            if is_new(scratch.file()) {
                let note = Record::Monitored(Monitored::Witnessed { leaves });
                scratch.note(note, Vec::new());
            }
            Ok(())
        };
        self.inner.store.write(decide).await
    }
}
