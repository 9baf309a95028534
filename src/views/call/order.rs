//! Which channels apply, and in what order they are tried.
//!
//! Not for whether anybody answers: that is measured by checks.

use super::Presence;
use crate::envelope::entry::Channel;
use crate::envelope::entry::words::{Use, When};
use crate::envelope::words::Urgency;
use crate::units::Timestamp;

/// The channels that apply, the best first. What only confirms is none of them.
pub(super) fn applying(
    channels: &[Channel],
    presence: &Presence,
    day_off: bool,
    now: Timestamp,
    urgency: Urgency,
) -> Vec<Channel> {
    let out_of_hours = match presence {
        Presence::Staffed => day_off,
        Presence::Duty(_) | Presence::Nobody { .. } => true,
        Presence::Open | Presence::Unknown => false,
    };
    let mut found: Vec<Channel> =
        channels.iter().filter(|channel| applies(channel, out_of_hours, now)).cloned().collect();
    let wants_voice = match urgency {
        Urgency::Emergency | Urgency::Urgent => true,
        Urgency::Expedited | Urgency::Routine | Urgency::Information => false,
    };
    found.sort_by_key(|channel| {
        let silent = wants_voice && !channel.system.is_voice();
        let nobody = matches!(presence, Presence::Nobody { .. });
        let last_resort = channel.usage == Use::OutOfBand && !(nobody && wants_voice);
        let tier = tier(channel.usage, nobody, out_of_hours);
        // In office hours any voice is better than none; outside them, whoever is on duty.
        let order = if out_of_hours { [tier, u8::from(silent)] } else { [u8::from(silent), tier] };
        (last_resort, order, channel.rank)
    });
    found
}

fn applies(channel: &Channel, out_of_hours: bool, now: Timestamp) -> bool {
    let in_period = channel.from.is_none_or(|from| from <= now)
        && channel.until.is_none_or(|until| now < until);
    let answered = match channel.when {
        When::Always => true,
        When::OfficeHours => !out_of_hours,
        When::OutOfHours => out_of_hours,
    };
    in_period && answered && channel.usage != Use::Confirmation
}

/// Outside office hours the duty officer comes first; where nobody is on duty, what was published
/// for when everything else fails comes before a mailbox in an empty office, if it is urgent.
const fn tier(usage: Use, nobody: bool, out_of_hours: bool) -> u8 {
    match usage {
        Use::Duty if out_of_hours => 0,
        Use::OutOfBand if nobody => 1,
        Use::Primary if nobody => 5,
        Use::Primary => 2,
        Use::Backup => 3,
        Use::Duty => 4,
        Use::OutOfBand | Use::Confirmation => 6,
    }
}
