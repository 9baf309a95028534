//! SAMPLE DATA: a first entry for the directory, that can be published as it is.
//!
//! Not how any desk is reached: numbers begin with +999, which the ITU has given to nobody, and
//! mailboxes end in `.example`.

use super::sample::Sample;
use crate::envelope::entry::words::{HoursKind, System, Use, When};
use crate::envelope::entry::{
    Channel, DeskRestricted, Entry, EntryDesk, Person, Restricted, founding_desk, founding_draft,
    text,
};
use crate::envelope::genesis::{FoundingDesk, FoundingMember};
use crate::envelope::words::RequestType;
use crate::units::{Hash, MemberId, Timestamp};

/// When a sample office opens and closes, in minutes after midnight there.
const OFFICE: (u16, u16) = (9 * 60, 17 * 60);

/// The text of a member's first entry.
pub(super) fn first(member: &FoundingMember, sample: &Sample) -> String {
    // Neither stands in the file.
    let mut entry = founding_draft(member, Hash([0; 32]), Timestamp(0));
    entry.version = 1;
    let mut open = Restricted::new();
    for (n, desk) in (0..).zip(&mut entry.desks) {
        describe(desk, sample);
        open.insert(desk.name.clone(), reached(member.id, desk, n));
    }
    head(&entry) + &text::to_toml(&entry, &open)
}

/// The text of a desk that joins a member's entry, as the `n`th of the member's desks.
pub(super) fn joining(member: MemberId, desk: &FoundingDesk, sample: &Sample, n: u32) -> String {
    let mut desk = founding_desk(desk);
    describe(&mut desk, sample);
    let open = reached(member, &desk, n);
    text::new_desk(&desk, &open)
}

fn head(entry: &Entry) -> String {
    format!("# SAMPLE DATA of {}: nobody answers at these numbers.\n", entry.display_name)
}

fn describe(desk: &mut EntryDesk, sample: &Sample) {
    desk.unit = "Duty unit (sample)".to_owned();
    desk.executes = vec![RequestType::Preservation];
    desk.hours.kind = HoursKind::OfficeAndDuty;
    desk.hours.office = Some(OFFICE);
    desk.hours.weekend = sample.weekend.to_vec();
}

fn reached(member: MemberId, desk: &EntryDesk, n: u32) -> DeskRestricted {
    let number = |last: u32| format!("+9995550{n:02}{last:02}");
    let mailbox = |name: &str| format!("{name}.{}@{}.example", desk.name, member.label());
    let channel = |system, value: String, usage, rank, when| Channel {
        system,
        value,
        usage,
        rank,
        when,
        from: None,
        until: None,
    };
    DeskRestricted {
        salt: [0; 32],
        channels: vec![
            channel(System::Relay, String::new(), Use::Primary, 1, When::Always),
            channel(System::Phone, number(1), Use::Primary, 2, When::OfficeHours),
            channel(System::Mobile, number(2), Use::Duty, 3, When::OutOfHours),
            channel(System::Email, mailbox("duty"), Use::Backup, 4, When::Always),
        ],
        confirmation: Some(Person {
            name: "head of the duty unit".to_owned(),
            function: String::new(),
            phone: number(9),
            mobile: String::new(),
            email: mailbox("head"),
        }),
        persons: Vec::new(),
    }
}
