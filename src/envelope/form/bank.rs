//! How banks write things: account numbers (ISO 13616), institutions (ISO 9362), currencies
//! (ISO 4217) and amounts.
//!
//! Not for whether they exist: check digits are computed, registers are not looked up.

/// The longest IBAN, in characters (ISO 13616).
const IBAN_LEN_MAX: usize = 34;

/// The shortest IBAN in use, in characters.
const IBAN_LEN_MIN: usize = 15;

/// The most digits before the decimal point: a thousand million millions.
const AMOUNT_DIGITS_MAX: usize = 15;

/// The most digits after it: what the currency with the smallest unit needs (ISO 4217).
const DECIMALS_MAX: usize = 4;

/// An IBAN without spaces, in capitals, with the right check digits: read as a number with the
/// first four characters at the end and letters as 10 to 35, it is 1 modulo 97.
pub(super) fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shaped = (IBAN_LEN_MIN..=IBAN_LEN_MAX).contains(&bytes.len())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit)
        && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !shaped {
        return false;
    }
    let rest = bytes[4..].iter().chain(&bytes[..4]).fold(0, |rest, byte| {
        if byte.is_ascii_digit() {
            (rest * 10 + u32::from(byte - b'0')) % 97
        } else {
            (rest * 100 + u32::from(byte - b'A') + 10) % 97
        }
    });
    rest == 1
}

/// A BIC of 8 or 11 characters, in capitals.
pub(super) fn is_bic(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.len(), 8 | 11)
        && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && bytes[4..6].iter().all(u8::is_ascii_uppercase)
}

/// Three capitals.
pub(super) fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// A decimal number above 0, with a point and no other signs.
pub(super) fn is_amount(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (1..=AMOUNT_DIGITS_MAX).contains(&whole.len())
        && (1..=DECIMALS_MAX).contains(&decimals.len())
        && digits(whole)
        && digits(decimals)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_computed() {
        // The examples of the registry, and of institutions' own pages.
        for good in [
            "NL91ABNA0417164300",
            "GB82WEST12345698765432",
            "DE89370400440532013000",
            "NO9386011117947",
            "MT84MALT011000012345MTLCAST001S",
            "LC55HEMM000100010012001200023015",
        ] {
            assert!(is_iban(good), "{good}");
        }
        for bad in [
            "NL91ABNA0417164301",
            "NL19ABNA0417164300",
            "NL91 ABNA 0417 1643 00",
            "nl91abna0417164300",
            "NL9",
            "1234567890123456",
            "",
        ] {
            assert!(!is_iban(bad), "{bad}");
        }
    }

    /// Any one digit changed is found.
    #[test]
    fn one_wrong_digit_is_found() {
        let good = "DE89370400440532013000";
        for place in 2..good.len() {
            for digit in b'0'..=b'9' {
                let mut bytes = good.as_bytes().to_vec();
                if bytes[place] == digit {
                    continue;
                }
                bytes[place] = digit;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(!is_iban(&changed), "{changed}");
            }
        }
    }

    #[test]
    fn institutions_currencies_and_amounts() {
        for (is, good, bad) in [
            (
                is_bic as fn(&str) -> bool,
                ["ABNANL2A", "DEUTDEFF500"].as_slice(),
                ["ABNANL2", "abnanl2a", "ABNA122A", "ABNANL2AXX", ""].as_slice(),
            ),
            (is_currency, &["EUR", "PHP"], &["euro", "eur", "EU", "E1R", ""]),
            (
                is_amount,
                &["1", "42300000.00", "0.5", "999999999999999.9999"],
                &["0", "0.00", "-1", "1,000", "1.", ".5", "01", "1.00000", "1e6", "1 000", ""],
            ),
        ] {
            for text in good {
                assert!(is(text), "{text}");
            }
            for text in bad {
                assert!(!is(text), "{text}");
            }
        }
    }
}
