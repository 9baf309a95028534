//! The secret that opens private keys at rest, for a start without a person.
//!
//! Not for the keys: `keyfile.rs`. Never from the command line or the environment: both can be
//! read by others. It comes from a file that only its owner may read, or from a credential that
//! systemd hands to the service (`LoadCredential=`).
//!
//! A secret of 64 lower-case hexadecimal digits is 32 random bytes: keys made with it are opened
//! at once. Anything else is a passphrase, which is stretched.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The longest secret file in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// The shortest passphrase in bytes: six words of a list, or so.
const PASSPHRASE_BYTES_MIN: usize = 16;

/// The secret. No `Debug`, no `Display`; zeroed when dropped.
#[derive(Clone)]
pub struct Unlock {
    secret: Zeroizing<Vec<u8>>,
    random: bool,
}

/// The secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file is not there or cannot be read.
    #[error("the unlock secret {0} cannot be read: {1}")]
    File(PathBuf, std::io::Error),
    /// Others may read it, or it is not ours.
    #[error("the unlock secret {0} must be ours alone: {1} (chmod 600)")]
    Exposed(PathBuf, String),
    /// It is too short, too long or not text.
    #[error("the unlock secret {0} is not usable: {1}")]
    Unusable(PathBuf, &'static str),
    /// The service manager has handed over no credentials.
    #[error("no credential {0:?}: the service was not started with LoadCredential=")]
    NoCredential(String),
}

impl Unlock {
    /// The secret in a file that its owner alone may read (mode 0600 or 0400) and that is ours.
    ///
    /// # Errors
    /// [`Fault`], in words.
    pub fn from_file(path: &Path) -> Result<Self, Fault> {
        let unable = |fault| Fault::File(path.to_owned(), fault);
        let mut file = File::open(path).map_err(unable)?;
        let metadata = file.metadata().map_err(unable)?;
        let exposed = |why: String| Err(Fault::Exposed(path.to_owned(), why));
        if metadata.mode() & 0o077 != 0 {
            return exposed(format!("its mode is {:03o}", metadata.mode() & 0o777));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return exposed(format!("it belongs to user {}", metadata.uid()));
        }
        Self::read(path, &mut file)
    }

    /// The secret in the credential `name` of the service manager (`$CREDENTIALS_DIRECTORY`, see
    /// systemd.exec(5)).
    ///
    /// # Errors
    /// [`Fault`], in words.
    pub fn from_credential(name: &str) -> Result<Self, Fault> {
        let none = || Fault::NoCredential(name.to_owned());
        let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(none)?;
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(none());
        }
        let path = Path::new(&directory).join(name);
        let mut file = File::open(&path).map_err(|fault| Fault::File(path.clone(), fault))?;
        Self::read(&path, &mut file)
    }

    /// A secret of 32 random bytes.
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self { secret: Zeroizing::new(bytes.to_vec()), random: true }
    }

    /// A passphrase.
    ///
    /// # Errors
    /// When it is shorter than 16 bytes.
    pub fn from_passphrase(text: &str) -> Result<Self, &'static str> {
        if text.len() < PASSPHRASE_BYTES_MIN {
            return Err("it is shorter than 16 bytes");
        }
        Ok(Self { secret: Zeroizing::new(text.as_bytes().to_vec()), random: false })
    }

    /// The secret for another use than key files, told apart by `label`. A passphrase is stretched
    /// as for key files (PBKDF2-HMAC-SHA256, 600,000 rounds, the label as salt), which takes a
    /// fraction of a second; 32 random bytes are used as they are.
    pub fn master(&self, label: &[u8]) -> Zeroizing<Vec<u8>> {
        if self.random {
            return self.secret.clone();
        }
        let mut stretched = Zeroizing::new(vec![0; 32]);
        let algorithm = aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256;
        aws_lc_rs::pbkdf2::derive(
            algorithm,
            super::keyfile::ROUNDS,
            label,
            &self.secret,
            &mut stretched,
        );
        stretched
    }

    /// True for 32 random bytes, which need no stretching.
    pub(super) const fn is_random(&self) -> bool {
        self.random
    }

    /// The secret.
    pub(super) fn secret(&self) -> &[u8] {
        &self.secret
    }

    fn read(path: &Path, file: &mut File) -> Result<Self, Fault> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        file.take(SECRET_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|fault| Fault::File(path.to_owned(), fault))?;
        let unusable = |why| Fault::Unusable(path.to_owned(), why);
        if bytes.len() as u64 > SECRET_BYTES_MAX {
            return Err(unusable("it is longer than 4096 bytes"));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| unusable("it is not text"))?;
        let text = text.trim_end_matches(['\n', '\r']);
        let mut raw = Zeroizing::new([0; 32]);
        // The decoder wants room of exactly the right size.
        if text.len() == 64
            && data_encoding::HEXLOWER.decode_mut(text.as_bytes(), raw.as_mut_slice()).is_ok()
        {
            return Ok(Self::from_random(&raw));
        }
        Self::from_passphrase(text).map_err(unusable)
    }
}
