"""The directory: the genesis, and every entry that a nation has signed since.

Nothing in it is believed because the relay says so. An entry counts when the nation's own key, which
the genesis names, has signed it, and when it follows the one before: the next version, naming that
one's hash. `wire` is the generated module of proto/detente/envelope/v1, `journal` that of
proto/detente/journal/v1.
"""

import time
from pathlib import Path

import envelope


class Genesis:
    """The network as it was founded, held against the pinned hash and its members' signatures."""

    def __init__(self, wire, path: Path, pinned: str):
        signed = wire.SignedGenesis.FromString(path.read_bytes())
        self.hash = genesis_hash(signed.genesis)
        if self.hash.hex() != pinned:
            raise envelope.NotGenuine(f"the genesis has hash {self.hash.hex()}, not {pinned}")
        genesis = wire.Genesis.FromString(signed.genesis)
        for member in genesis.members:
            payload_type = envelope.GENESIS_TYPE
            envelope.verify(signed.signatures, payload_type, signed.genesis, member.national_key)
        self.network = genesis.network
        self.relay_authorities = list(genesis.relay.ca_certificates)
        self.members = list(genesis.members)


class Member:
    """A nation: its key, its newest entry, and the desks of every entry there was."""

    def __init__(self, founding, genesis_hash: bytes):
        self.national_key = founding.national_key
        self.authorities = list(founding.ca_certificates)
        self.version, self.hash = 0, genesis_hash
        # Desks by name, with the index in the relay's journal from which on they hold.
        self.versions = [(0, {desk.name: desk for desk in founding.desks})]

    def desk(self, name: str, index: int | None = None):
        """A desk as it was when the relay's record `index` was made; the newest without one. A
        desk that an entry leaves out stays as it was: it may still finish what is open."""
        for since, desks in reversed(self.versions):
            if (index is None or since <= index) and name in desks:
                return desks[name]
        return None


class Directory:
    """Every member, as far as the directory's log has been read."""

    def __init__(self, wire, journal, genesis: Genesis):
        self.wire, self.journal, self.genesis = wire, journal, genesis
        self.members = {
            member.member_id: Member(member, genesis.hash) for member in genesis.members
        }
        # The next record of the directory's log that is wanted.
        self.next_leaf = 0

    def follow(self, stream, size: int) -> None:
        """Takes in the log's records from `FollowEntries` until there are `size` of them."""
        while self.next_leaf < size:
            item = next(stream)
            if item.WhichOneof("item") == "record":
                self.take(item.record)

    def take(self, record) -> None:
        """Takes in one record, or says why it is not to be believed."""
        if record.leaf_index != self.next_leaf:
            raise envelope.NotGenuine(
                f"directory record {record.leaf_index} came where {self.next_leaf} was due"
            )
        event = self.journal.Event.FromString(record.event)
        kind = event.WhichOneof("kind")
        if self.next_leaf == 0:
            signed = self.wire.SignedGenesis.FromString(event.genesis.signed_genesis)
            if genesis_hash(signed.genesis) != self.genesis.hash:
                raise envelope.NotGenuine("the directory's log begins with another genesis")
        elif kind == "entry":
            signed = self.wire.SignedEntry.FromString(event.entry.signed_entry)
            self.enter(record.index, signed)
        else:
            raise envelope.NotGenuine(f"directory record {record.leaf_index} is no entry: {kind}")
        self.next_leaf += 1

    def enter(self, index: int, signed) -> None:
        entry = self.wire.Entry.FromString(signed.entry)
        member = self.members.get(entry.member_id)
        if member is None:
            raise envelope.NotGenuine(f"an entry of {entry.member_id}, which is no member")
        envelope.verify(signed.signatures, envelope.ENTRY_TYPE, signed.entry, member.national_key)
        what = f"version {entry.version} of {entry.member_id}"
        if entry.version != member.version + 1 or entry.previous_sha256 != member.hash:
            raise envelope.NotGenuine(f"{what} does not follow version {member.version}")
        if entry.national_key != member.national_key:
            raise envelope.NotGenuine(f"{what} has another national key")
        if list(entry.ca_certificates) != member.authorities:
            raise envelope.NotGenuine(f"{what} has another authority")
        member.version = entry.version
        member.hash = envelope.sha256(b"detente/entry/v1\0", signed.entry)
        member.versions.append((index, {desk.name: desk for desk in entry.desks}))

    def desk(self, name: str, index: int | None = None):
        """A desk as "RO/cyber", at a record or now."""
        member, _, desk = name.partition("/")
        known = self.members.get(member)
        found = known.desk(desk, index) if known else None
        if found is None:
            raise envelope.NotGenuine(f"the directory has no desk {name}")
        return found

    def signing_key(self, context, index: int) -> bytes:
        """The public key with which a statement must be signed that became the record `index`."""
        sender = getattr(context, "from")
        desk = self.desk(sender, index)
        if not context.officer:
            return desk.desk_key
        for officer in desk.officers:
            if officer.name == context.officer:
                if not officer.from_ms <= context.created_ms < officer.until_ms:
                    raise envelope.NotGenuine(f"the key of {sender}/{officer.name} is not valid")
                return officer.key
        raise envelope.NotGenuine(f"the directory has no officer {sender}/{context.officer}")

    def encryption_key(self, desk: str) -> bytes:
        """The key to which bodies for a desk are sealed: of those valid now, the one that is valid
        longest."""
        now = time.time_ns() // 1_000_000
        keys = self.desk(desk).encryption_keys
        valid = [key for key in keys if key.from_ms <= now < key.until_ms]
        if not valid:
            raise envelope.NotGenuine(f"{desk} has no encryption key that is valid now")
        return max(valid, key=lambda key: key.until_ms).public_key


def genesis_hash(genesis: bytes) -> bytes:
    return envelope.sha256(b"detente/genesis/v1\0", genesis)
