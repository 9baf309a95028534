//! Archives of stored files (PKWARE APPNOTE 6.3), always the same bytes for the same files.
//!
//! Not a reader of other archives: what this does not write it does not read. No compression, no
//! comments, no directories, no ZIP64; every file has the date 1980-01-01, the oldest there is.

use super::Fault;

/// Files in an archive at most: their number is 16 bits.
const FILES_MAX: usize = 65_535;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Bytes of a local header before the name.
const LOCAL_BYTES: usize = 30;
/// 1980-01-01 in the MS-DOS format.
const DATE: u16 = 0x0021;
/// Version needed: 1.0.
const VERSION: u16 = 10;

/// A name and the bytes under it.
pub(super) type File = (String, Vec<u8>);

/// The archive of these files, in this order.
pub(super) fn render(files: &[File]) -> Result<Vec<u8>, Fault> {
    let too_large = || Fault::new("bundle", "it is larger than an archive can be");
    let count = u16::try_from(files.len()).map_err(|_| too_large())?;
    let (mut bytes, mut central) = (Vec::new(), Vec::new());
    for (name, data) in files {
        let at = u32::try_from(bytes.len()).map_err(|_| too_large())?;
        let length = u32::try_from(data.len()).map_err(|_| too_large())?;
        let name_length = u16::try_from(name.len()).map_err(|_| too_large())?;
        let mut common = Vec::new();
        push16(&mut common, &[VERSION, 0, 0, 0, DATE]);
        push32(&mut common, &[crc32(data), length, length]);
        push16(&mut common, &[name_length, 0]);
        push32(&mut bytes, &[LOCAL]);
        bytes.extend_from_slice(&common);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(data);
        push32(&mut central, &[CENTRAL]);
        push16(&mut central, &[VERSION]);
        central.extend_from_slice(&common);
        push16(&mut central, &[0, 0, 0]);
        push32(&mut central, &[0, at]);
        central.extend_from_slice(name.as_bytes());
    }
    let at = u32::try_from(bytes.len()).map_err(|_| too_large())?;
    let length = u32::try_from(central.len()).map_err(|_| too_large())?;
    bytes.extend_from_slice(&central);
    push32(&mut bytes, &[END]);
    push16(&mut bytes, &[0, 0, count, count]);
    push32(&mut bytes, &[length, at]);
    push16(&mut bytes, &[0]);
    Ok(bytes)
}

/// The files of an archive. Whether everything else about it is as it is written here shows when it
/// is written again.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<File>, Fault> {
    let mut files: Vec<File> = Vec::new();
    let mut rest = bytes;
    while rest.starts_with(&LOCAL.to_le_bytes()) {
        let before = files.last().map_or("bundle", |(name, _)| name.as_str()).to_owned();
        let cut = || Fault::new(format!("bundle after {before}"), "the archive is cut off");
        let (head, tail) = rest.split_at_checked(LOCAL_BYTES).ok_or_else(cut)?;
        let length = u32_at(head, 22).and_then(|length| usize::try_from(length).ok());
        let name = head.get(26..28).map(|two| usize::from(u16::from_le_bytes([two[0], two[1]])));
        let (name, tail) = name.and_then(|name| tail.split_at_checked(name)).ok_or_else(cut)?;
        let (data, tail) =
            length.and_then(|length| tail.split_at_checked(length)).ok_or_else(cut)?;
        let name = String::from_utf8_lossy(name).into_owned();
        if u32_at(head, 14) != Some(crc32(data)) {
            return Err(Fault::new(name, "its checksum in the archive is another"));
        }
        files.push((name, data.to_vec()));
        if files.len() > FILES_MAX {
            return Err(Fault::new("bundle", "it has more files than an archive can have"));
        }
        rest = tail;
    }
    if files.is_empty() {
        Err(Fault::new("bundle", "it is no archive of stored files"))
    } else {
        Ok(files)
    }
}

fn push16(bytes: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
}

fn push32(bytes: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|four| u32::from_le_bytes(*four))
}

/// CRC-32 of ISO 3309, reflected, as archives have it.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc: u32, byte| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ CRC_OF[usize::from(low ^ byte)]
    })
}

/// The remainder that each byte leaves.
const CRC_OF: [u32; 256] = {
    let mut table = [0; 256];
    let (mut at, mut byte) = (0, 0);
    while at < table.len() {
        let (mut left, mut bit) = (byte, 0);
        while bit < 8 {
            left = (left >> 1) ^ if left & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        table[at] = left;
        at += 1;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
