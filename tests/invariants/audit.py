"""Who may have done what a step did: README.md, 1, 2, 4, 14 and 16, from the step's events and the storage around it.

Written beside the model and without it: the model says what a call does, this says what no call may do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tests.invariants.evm import Address, Event
from tests.invariants.model import LAST_VERSION, ZERO, Permission, Slots, Terms
from tests.invariants.signing import Ledger, Members
from tests.vectors import generate_head

HISTORY, MANAGE = 1, 2
ALL = 2**64 - 1
LAST_SECOND = 2**40 - 1
# Of a recovery's word: all signed it, or it was completed.
SPENT = 1 << 55


class Guardians(Protocol):
    """What a commitment is to."""

    @property
    def delay(self) -> int: ...
    @property
    def threshold(self) -> int: ...
    @property
    def members(self) -> tuple[Address, ...]: ...


def permission_in(word: int) -> Permission:
    """A permission as a storage word has it."""
    terms = Terms(
        word >> 192,
        word >> 128 & ALL,
        word >> 88 & 2**40 - 1,
        word >> 48 & 2**40 - 1,
        word >> 32 & 2**16 - 1,
        word >> 24 & 255,
    )
    return Permission(terms, word & LAST_VERSION)


def may_be_given_by(terms: Terms, limits: Terms) -> bool:
    """Whether terms are among those that a representative has, in every respect."""
    return (
        terms.read & limits.read == terms.read
        and terms.append & limits.append == terms.append
        and terms.purposes & limits.purposes == terms.purposes
        and terms.flags & limits.flags & HISTORY == terms.flags
        and terms.expiry <= limits.expiry
    )


class Audit:
    """A step's events, gone through in their order from the storage before the step.

    Attributes:
        direct: Who called a function that asks for its caller; `None` if no such function was called.
        signed: Whether some signed form was called.
    """

    def __init__(
        self,
        slots: Slots,
        actors: Sequence[Address],
        before: dict[int, int],
        ledger: Ledger,
        known: Mapping[bytes, Guardians],
        now: int,
    ) -> None:
        """Keep what was before; `known` has the sets of guardians by their commitments."""
        self._slots, self._actors, self._ledger, self._known, self._now = slots, actors, ledger, known, now
        self._sets = {one: [before[slot] for slot in slots.run("_sets", 5, one)] for one in actors}
        self.direct: Address | None = None
        self.signed = False
        wallet_mask = 2**160 - 1
        patients = {one: before[slots.of("_patients", one)] for one in actors}
        self._wallets = {one: (word & wallet_mask).to_bytes(20, "big") for one, word in patients.items()}
        self._decisions = {one: word >> 160 & ALL for one, word in patients.items()}
        self._keyrings = {one: generate_head.parts_of(before[slots.of("_histories", one)])[2] for one in actors}
        self._relayed = {one: before[slots.of("_providers", one)] >> 56 for one in actors}
        self._entries = dict.fromkeys(actors, 0)
        self._permissions = {
            (one, other): permission_in(before[slots.of("_permissions", one, other)])
            for one in actors
            for other in actors
        }

    def conclude(self, events: Sequence[Event], after: dict[int, int]) -> None:
        """Each event was somebody's to cause, and the storage after the step is what the events say."""
        for name, values in events:
            handler: Callable[..., None] | None = getattr(self, f"_on_{name}", None)
            if handler:
                handler(*values)
        for one in self._actors:
            word = after[self._slots.of("_patients", one)]
            assert (word & 2**160 - 1).to_bytes(20, "big") == self._wallets[one]
            assert word >> 160 & ALL == self._decisions[one]
            assert generate_head.parts_of(after[self._slots.of("_histories", one)])[2] == self._keyrings[one]
            assert self._sets[one] == [after[slot] for slot in self._slots.run("_sets", 5, one)]
            self._conclude_relayed(one, after[self._slots.of("_providers", one)] >> 56)
            for other in self._actors:
                stored = permission_in(after[self._slots.of("_permissions", one, other)])
                assert stored == self._permissions[one, other]

    def _conclude_relayed(self, author: Address, relayed: int) -> None:
        """An author's number rises with its own signed entries alone, which are events, and names each of them."""
        before = self._relayed[author]
        assert before <= relayed <= before + self._entries[author]
        numbers = {
            one[-2] for form in ("Append", "LogAccess") for one in self._ledger.messages(author, form, self._now)
        }
        assert numbers.issuperset(range(before + 1, relayed + 1))
        if self.direct != author:
            assert relayed == before + self._entries[author]

    # ------------------------------------------------------------------------------------------------------ who decides

    def _willed(self, by: Address, form: str, fits: Callable[[Members], bool]) -> None:
        """The account itself called, or it signed this and no other, and is in time."""
        signed = self.signed and any(fits(members) for members in self._ledger.messages(by, form, self._now))
        assert by == self.direct or signed, f"{by.hex()} never wanted this {form}"

    def _limits(self, patient: Address, by: Address) -> Terms | None:
        """`None` for the patient's wallet; what a representative may decide within now."""
        if by == self._wallets[patient]:
            return None
        limits = self._permissions[patient, by].terms
        assert limits.flags & MANAGE
        assert limits.not_before <= self._now < limits.expiry
        return limits

    # ----------------------------------------------------------------------------------------------------------- events

    def _on_PatientRegistered(self, patient: Address, wallet: Address, by: Address) -> None:  # noqa: N802
        assert by == patient
        assert self._wallets[patient] == ZERO
        self._willed(patient, "Register", lambda one: one[:2] == (patient, wallet))
        if wallet != patient:
            messages = self._ledger.messages(wallet, "Register", self._now)
            assert any(one[:2] == (patient, wallet) for one in messages)
        self._wallets[patient] = wallet

    def _on_WalletChanged(self, patient: Address, wallet: Address, by: Address) -> None:  # noqa: N802
        if by == wallet:
            self._recovered(patient, wallet)
            return
        assert by == self._wallets[patient]
        self._decisions[patient] += 1
        decision = self._decisions[patient]
        self._willed(by, "ChangeWallet", lambda one: one[:4] == (patient, by, wallet, decision))
        consents = self._ledger.messages(wallet, "WalletChange", self._now)
        assert any(one[:3] == (patient, wallet, decision) for one in consents)
        self._wallets[patient] = wallet

    def _recovered(self, patient: Address, wallet: Address) -> None:
        """14: only where guardians began it, for this wallet, and its time has come; their set counts from then on."""
        word = self._sets[patient][4]
        assert wallet == (word >> 96).to_bytes(20, "big") != ZERO
        assert word >> 56 & LAST_SECOND <= self._now
        self._sets[patient][1:3] = [self._sets[patient][3], 0]
        self._sets[patient][4] = word & SPENT - 1 | SPENT
        self._wallets[patient] = wallet

    def _in_force(self, patient: Address) -> int:
        present, following, since, *_ = self._sets[patient]
        return following if since <= self._now else present

    def _on_GuardiansSet(  # noqa: N802
        self, patient: Address, by: Address, guardians: bytes, document: bytes, since: int
    ) -> None:
        assert by == self._wallets[patient]
        self._decisions[patient] += 1
        start, end = (patient, by, self._decisions[patient]), (guardians, document)
        self._willed(by, "SetGuardians", lambda one: one[:3] == start and one[5:7] == end)
        present = self._in_force(patient)
        assert since == (self._now + self._set(present).delay if present else 0)
        self._sets[patient][:3] = [present, int.from_bytes(guardians, "big"), since]

    def _set(self, commitment: int) -> Guardians:
        return self._known[commitment.to_bytes(32, "big")]

    def _on_RecoveryBegun(  # noqa: N802
        self, patient: Address, wallet: Address, number: int, due: int, unanimous: bool
    ) -> None:
        """14 and 16: enough of the set that counts signed exactly this, and so did the wallet, for this round."""
        last, shown = self._sets[patient][4], self._set(self._in_force(patient))
        signing = [one for one in shown.members if self._recovers(one, patient, wallet, number)]
        assert self._recovers(wallet, patient, wallet, number)
        assert len(signing) >= shown.threshold
        assert not unanimous or len(signing) == len(shown.members)
        assert due == self._now + shown.delay
        assert number == (last & SPENT - 1) + 1 or (unanimous and not last & SPENT and number == last & SPENT - 1)
        assert not last >> 96 or (unanimous and not last & SPENT)
        word = int.from_bytes(wallet, "big") << 96 | due << 56 | unanimous * SPENT | number
        self._sets[patient][3:] = [self._in_force(patient), word]

    def _recovers(self, signer: Address, patient: Address, wallet: Address, number: int) -> bool:
        wanted = (patient, signer, wallet, number)
        return any(one[:4] == wanted for one in self._ledger.messages(signer, "Recover", self._now))

    def _on_RecoveryStopped(self, patient: Address, by: Address, number: int) -> None:  # noqa: N802
        last = self._sets[patient][4]
        assert by == self._wallets[patient]
        self._willed(by, "StopRecovery", lambda one: one[:3] == (patient, by, number))
        assert last >> 96
        assert not last & SPENT
        assert self._now < last >> 56 & LAST_SECOND
        self._sets[patient][4] = number

    def _on_PermissionGranted(  # noqa: N802
        self,
        patient: Address,
        grantee: Address,
        by: Address,
        version: int,
        terms: tuple[int, ...],
        seal: bytes,
        lost: int,
        raised: int,
    ) -> None:
        old, new = self._permissions[patient, grantee], Terms(*terms)
        assert grantee not in {patient, by, ZERO}
        assert version == old.version + 1
        limits = self._limits(patient, by)
        if limits is not None:
            assert grantee != self._wallets[patient]
            assert may_be_given_by(old.terms, limits)
            assert may_be_given_by(new, limits)
        self._willed(by, "Grant", lambda one: one[:-1] == (patient, by, grantee, *new, seal, version))
        self._permissions[patient, grantee] = Permission(new, version)
        self._lost(patient, lost, raised, old.reading(self._now) & ~new_reading(new, self._now))

    def _on_PermissionRevoked(  # noqa: N802
        self, patient: Address, grantee: Address, by: Address, version: int, lost: int, raised: int
    ) -> None:
        old = self._permissions.get((patient, grantee))
        limits = self._limits(patient, by)
        if old is None:  # Of the zero address, which is none of the actors.
            assert grantee == ZERO
            self._willed(by, "Revoke", lambda one: one[:3] == (patient, by, grantee))
            return
        assert version == min(old.version + 1, LAST_VERSION)
        if limits is not None and grantee != by:
            assert may_be_given_by(old.terms, limits)
        highest = version if old.terms == Terms() else old.version
        self._willed(by, "Revoke", lambda one: one[:3] == (patient, by, grantee) and one[3] <= highest)
        self._permissions[patient, grantee] = Permission(Terms(), version)
        self._lost(patient, lost, raised, old.reading(self._now))

    def _lost(self, patient: Address, lost: int, raised: int, expected: int) -> None:
        assert lost == expected
        if lost:
            self._keyrings[patient] = min(self._keyrings[patient] + 1, LAST_VERSION)
        assert raised == (self._keyrings[patient] if lost else 0)

    def _on_KeyringPublished(  # noqa: N802
        self, patient: Address, by: Address, time: int, previous: bytes, compartments: int, pointer: bytes
    ) -> None:
        limits, current = self._limits(patient, by), self._keyrings[patient]
        assert limits is None or compartments & limits.read == compartments
        if not any(one[3:7] == (*one[3:4], current, compartments, pointer) for one in self._revocations(patient, by)):
            wanted = (patient, by, pointer, current, compartments)
            self._willed(by, "PublishKeyring", lambda one: one[:-1] == wanted)
        self._keyrings[patient] += 1

    def _revocations(self, patient: Address, by: Address) -> list[Members]:
        """Signed ones, which may bring a keyring."""
        if not self.signed:
            return []
        return [one for one in self._ledger.messages(by, "Revoke", self._now) if one[:2] == (patient, by)]

    def _on_RecordsMoved(self, *values: Any) -> None:  # noqa: N802
        self._on_manifest("PublishMoved", *values)

    def _on_RecordsErased(self, *values: Any) -> None:  # noqa: N802
        """Nobody signs it: the wallet itself calls."""
        self._on_manifest("", *values)

    def _on_manifest(
        self, form: str, patient: Address, by: Address, time: int, previous: bytes, compartments: int, pointer: bytes
    ) -> None:
        assert by == self._wallets[patient]
        self._decisions[patient] += 1
        wanted = (patient, by, self._decisions[patient], compartments, pointer)
        self._willed(by, form, lambda one: one[:-1] == wanted)

    def _on_RecordAppended(  # noqa: N802
        self, patient: Address, author: Address, principal: Address, time: int, previous: bytes, entry: tuple[Any, ...]
    ) -> None:
        self._entries[author] += 1
        start = (patient, author, principal)
        self._willed(author, "Append", lambda one: one[:3] == start and one[5:9] == entry)

    def _on_AccessLogged(  # noqa: N802
        self, patient: Address, actor: Address, principal: Address, purpose: int, digest: bytes
    ) -> None:
        self._entries[actor] += 1
        self._willed(actor, "LogAccess", lambda one: one[:5] == (patient, actor, principal, digest, purpose))


def new_reading(terms: Terms, now: int) -> int:
    """What may be read at once by new terms."""
    return terms.read if terms.not_before <= now < terms.expiry else 0
