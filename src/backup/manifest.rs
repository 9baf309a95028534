//! What stands beside the files of a backup: whose it is, where it ends, what each must hash to.
//!
//! Not a proof by itself: who can change the files can change the manifest. What it says about the
//! log is computed anew from the records, and held against heads that others have kept.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Fault, Owner, journal_in};
use crate::codec;
use crate::journal::Summary;
use crate::units::{Hash, Timestamp};

/// What a manifest is called.
const NAME: &str = "manifest.json";
/// The form of this version.
const FORMAT: &str = "detente-backup/1";

/// The manifest of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of the manifest: "detente-backup/1".
    pub format: String,
    /// The version of the program that made it.
    pub made_by: String,
    /// When it was begun, UTC.
    pub made_at: String,
    /// "relay" or "desk".
    pub kind: String,
    /// The desk, as "NL/cyber"; only of a desk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desk: Option<String>,
    /// Name of the network.
    pub network: String,
    /// Hash of the network's genesis.
    pub genesis_sha256: String,
    /// Id of the journal.
    pub journal_id: String,
    /// The index that the next record would get: so many records are in it.
    pub next_index: u64,
    /// Batches in it.
    pub batches: u64,
    /// Hash of the last batch: the end of the chain over all of them.
    pub chain_sha256: String,
    /// Bodies that are erased in it.
    pub bodies_erased: u64,
    /// Where the logs stand; only of a relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<Heads>,
    /// Every file of the journal.
    pub files: Vec<File>,
}

/// Where the logs stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    /// The directory log, as "SIZE:ROOT".
    pub directory: String,
    /// The traffic log, as "SIZE:ROOT".
    pub traffic: String,
}

/// A file of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name within `journal/`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

impl Manifest {
    /// The manifest of a journal that was read, and that lies in `files`.
    pub(super) fn of(
        owner: &Owner,
        begun: Timestamp,
        summary: &Summary,
        heads: Option<&codec::Heads>,
        files: Vec<File>,
    ) -> Self {
        let Owner { desk, network, genesis } = owner;
        let head = |head: &codec::Head| format!("{}:{}", head.size, head.root);
        Self {
            format: FORMAT.to_owned(),
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: begun.to_string(),
            kind: owner.kind().to_owned(),
            desk: desk.as_ref().map(ToString::to_string),
            network: network.clone(),
            genesis_sha256: genesis.to_string(),
            journal_id: summary.id.map(|id| id.to_string()).unwrap_or_default(),
            next_index: summary.records,
            batches: summary.batches,
            chain_sha256: summary.hash.map(|hash| hash.to_string()).unwrap_or_default(),
            bodies_erased: summary.erased,
            heads: heads.map(|heads| Heads {
                directory: head(&heads.directory),
                traffic: head(&heads.traffic),
            }),
            files,
        }
    }

    /// Reads the manifest of a backup.
    ///
    /// # Errors
    /// When it is not there or is none of this version.
    pub fn read(backup: &Path) -> Result<Self, Fault> {
        let path = backup.join(NAME);
        let wrong = |why: String| Fault::Manifest { path: path.clone(), why };
        let text = fs::read_to_string(&path).map_err(|error| {
            let none = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
            if none { Fault::NoBackup(backup.to_owned()) } else { Fault::io("read", &path)(error) }
        })?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if manifest.format == FORMAT {
            Ok(manifest)
        } else {
            Err(wrong(format!(
                "its format is {:?}; this program reads {FORMAT:?}",
                manifest.format
            )))
        }
    }

    /// Writes it, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, backup: &Path) -> Result<(), Fault> {
        let path = backup.join(NAME);
        let text = format!("{:#}\n", serde_json::json!(self));
        fs::write(&path, text)
            .and_then(|()| fs::File::open(&path)?.sync_all())
            .and_then(|()| fs::File::open(backup)?.sync_all())
            .map_err(Fault::io("write", &path))
    }

    /// Whose backup it must be.
    ///
    /// # Errors
    /// When it is another one's.
    pub(super) fn check_owner(&self, owner: &Owner) -> Result<(), Fault> {
        let name = |kind: &str, desk: Option<&str>, network: &str, genesis: &str| {
            let whose = desk.map_or_else(|| kind.to_owned(), |desk| format!("{kind} {desk}"));
            format!("the {whose} of {network} with genesis {genesis}")
        };
        let genesis = owner.genesis.to_string();
        let desk = owner.desk.as_ref().map(ToString::to_string);
        if self.kind == owner.kind() && self.desk == desk && self.genesis_sha256 == genesis {
            return Ok(());
        }
        let found = name(&self.kind, self.desk.as_deref(), &self.network, &self.genesis_sha256);
        let expected = name(owner.kind(), desk.as_deref(), &owner.network, &genesis);
        Err(Fault::Foreign { found, expected })
    }

    /// Holds the files against their hashes: those that are named, and no others.
    ///
    /// # Errors
    /// [`Fault::Altered`] for the first that differs.
    pub(super) fn check_files(&self, backup: &Path) -> Result<(), Fault> {
        let directory = journal_in(backup);
        let altered =
            |name: &str, why: String| Err(Fault::Altered { path: directory.join(name), why });
        let found = files(backup)?;
        for named in &self.files {
            match found.iter().find(|file| file.name == named.name) {
                None => return altered(&named.name, "the file is missing".to_owned()),
                Some(file) if file != named => {
                    let why = format!(
                        "{} bytes with SHA-256 {}; the manifest says {} bytes with {}",
                        file.bytes, file.sha256, named.bytes, named.sha256
                    );
                    return altered(&named.name, why);
                }
                Some(_) => {}
            }
        }
        match found.iter().find(|file| !self.files.iter().any(|named| named.name == file.name)) {
            Some(other) => altered(&other.name, "the manifest does not name the file".to_owned()),
            None => Ok(()),
        }
    }

    /// Holds what was read against what the manifest says.
    ///
    /// # Errors
    /// [`Fault::Manifest`] when it says something else.
    pub(super) fn check_content(&self, backup: &Path, read: &Self) -> Result<(), Fault> {
        let Self { journal_id, next_index, batches, chain_sha256, bodies_erased, heads, .. } = read;
        let same = self.journal_id == *journal_id
            && self.next_index == *next_index
            && self.batches == *batches
            && self.chain_sha256 == *chain_sha256
            && self.bodies_erased == *bodies_erased
            && self.heads == *heads;
        if same {
            return Ok(());
        }
        let why = format!(
            "it says {} records with chain {}, but {next_index} records with chain {chain_sha256} \
             were read",
            self.next_index, self.chain_sha256
        );
        Err(Fault::Manifest { path: backup.join(NAME), why })
    }
}

/// The segments in a backup, in order, with their hashes.
///
/// # Errors
/// When one cannot be read.
pub(super) fn files(backup: &Path) -> Result<Vec<File>, Fault> {
    let directory = journal_in(backup);
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).map_err(Fault::io("list", &directory))? {
        let entry = entry.map_err(Fault::io("list", &directory))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        let path = directory.join(&name);
        let (bytes, hash) = sha256(&path).map_err(Fault::io("read", &path))?;
        files.push(File { name, bytes, sha256: hash.to_string() });
    }
    Ok(files)
}

/// Length and SHA-256 of a file.
fn sha256(path: &Path) -> std::io::Result<(u64, Hash)> {
    let mut file = fs::File::open(path)?;
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut buffer = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 {
            break;
        }
        context.update(&buffer[..got]);
        length += got as u64;
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Ok((length, Hash(hash)))
}
