"""The patient's guardians: who can hand the patient id to a new wallet, and the recovery that they have begun.

The chain has a hash of each set of guardians. The sets themselves are in a block that the patient's root secret opens
(``medrec_py.crypto.guardian_document``), and each is held against its hash before it is believed.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from medrec_py.chain.events import GuardiansSet
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.transactions import Call
from medrec_py.chain.types import ZERO_BYTES32, Guardianship, address_bytes, address_of
from medrec_py.crypto import guardian_document
from medrec_py.crypto.guardian_set import GuardianSet
from medrec_py.crypto.keys import RootSecret
from medrec_py.errors import (
    FormatError,
    GuardiansUnknown,
    IntegrityError,
    InvalidInput,
    StorageError,
    StoreTimeout,
    StoreUnavailable,
    WrongKey,
)
from medrec_py.ledger import Ledger
from medrec_py.party import Account
from medrec_py.party import address_of as named


class GuardiansStay(UserWarning):
    """A record was handed over, and those whom the wallet before had named can hand it to yet another for some time.

    All of them together are not stopped. Look at `medrec guardian status`, and name others.
    """


class GuardiansKept(UserWarning):
    """Guardians that were to come cannot be read, and were not handed on to another root secret: the present ones are.

    Whoever had the wallet may have set them. Set others if they were meant.
    """


@dataclass(frozen=True, slots=True)
class Guardians:
    """Some guardians, in words.

    Attributes:
        accounts: Who they are, EIP-55.
        threshold: How many it takes.
        delay: Seconds from the beginning of a recovery to its end.
    """

    accounts: tuple[str, ...]
    threshold: int
    delay: int

    @classmethod
    def of(cls, chosen: GuardianSet) -> Guardians:
        """Those of a set."""
        return cls(tuple(map(address_of, chosen.guardians)), chosen.threshold, chosen.delay)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A recovery that has begun and is not over.

    Attributes:
        wallet: The wallet that the patient id goes to, EIP-55.
        round: Its number.
        due: First second at which it can be completed, Unix time. Until then it can be stopped.
        unanimous: All guardians signed, so it cannot be stopped.
    """

    wallet: str
    round: int
    due: int
    unanimous: bool


@dataclass(frozen=True, slots=True)
class GuardianStatus:
    """How a patient is guarded.

    Attributes:
        present: The guardians that count now; ``None`` if there are none.
        following: Those that count from ``since`` on, where they are others; ``None`` if there are none.
        since: First second of a change that is still to come, Unix time; zero if none is.
        recovery: The recovery that is under way; ``None`` if none is.
        present_unknown: There are guardians now, and this root secret does not tell who, or the block is not to be had.
        following_unknown: So it is with those that count from ``since`` on. Whoever has the wallet alone may have set
            them.
    """

    present: Guardians | None
    following: Guardians | None
    since: int
    recovery: UnderWay | None
    present_unknown: bool = False
    following_unknown: bool = False


@dataclass(frozen=True)
class GuardianKeeper:
    """Reads and changes the guardians of one patient.

    Attributes:
        ledger: Chain and store.
        patient: Patient id, EIP-55.
        root: The patient's root secret.
    """

    ledger: Ledger
    patient: str
    root: RootSecret = field(repr=False)

    def status(self) -> GuardianStatus:
        """How the patient is guarded now.

        What cannot be read is said to be so: whoever has the wallet alone can name guardians in a block that nobody
        opens, and must not hide a recovery by that.
        """
        state, now = self._state()
        found, _ = self._sets(state.in_force(now), state.following)
        present, following = found.get(state.in_force(now)), found.get(state.following)
        return GuardianStatus(
            None if present is None else Guardians.of(present),
            None if following is None else Guardians.of(following),
            state.since if state.since > now else 0,
            under_way(state),
            present_unknown=present is None and any(state.in_force(now)),
            following_unknown=following is None and any(state.following),
        )

    def in_force(self) -> GuardianSet:
        """The set that counts now.

        Raises:
            GuardiansUnknown: there is none, or its block cannot be opened.
            StorageError: the block cannot be had.
        """
        state, now = self._state()
        found = self._present(state, now)
        if found is None:
            raise GuardiansUnknown(f"the patient {self.patient} has no guardians")
        return found

    def tells_all(self) -> bool:
        """Whether the root secret tells who all the guardians are, those to come included.

        Raises:
            StoreUnavailable: a store is down.
        """
        state, now = self._state()
        wanted = {one for one in (state.in_force(now), state.following) if any(one)}
        found, failure = self._sets(*wanted)
        if wanted <= found.keys():
            return True
        _require_answer(failure)
        return False

    def change(self, threshold: int, guardians: Iterable[Account], delay: int) -> Call:
        """The call that sets other guardians; their block is stored before.

        Raises:
            InvalidInput: a number cannot be used, or somebody is there twice, or is the patient or its wallet.
            GuardiansUnknown: the guardians that count now cannot be read, so they cannot be replaced.
            StorageError: the block was not taken.
        """
        accounts = [named(guardian) for guardian in guardians]
        stored = self.ledger.contract.patient_of(self.patient)
        if {self.patient, stored.wallet} & set(accounts):
            raise InvalidInput("patients cannot guard themselves: what is lost with the wallet hands nothing over")
        chosen = GuardianSet.choose(threshold, map(address_bytes, accounts), delay)
        return self._call(self._present(*self._state()), chosen, self.root, stored.decisions + 1)

    def remove(self) -> Call:
        """The call after which nobody guards the patient. Raises as ``change``."""
        decision = self.ledger.contract.patient_of(self.patient).decisions + 1
        return self._call(self._present(*self._state()), None, self.root, decision)

    def for_another_root(self, successor: RootSecret, decision: int) -> Call | None:
        """The call that hands the same guardians on to another root secret.

        ``None`` where there are none, or the other one tells them already.

        A change that is still to come waits its whole time anew; one whose guardians this root secret does not tell is
        dropped, with the warning ``GuardiansKept``.

        Raises:
            GuardiansUnknown, StorageError: as ``change``; also where a store is down.
        """
        if replace(self, root=successor).tells_all():
            return None
        state, now = self._state()
        present = self._present(state, now)
        found, failure = self._sets(state.following)
        following = found.get(state.following)
        if following is None and any(state.following):
            _require_answer(failure)
            warnings.warn(
                "the guardians that were to come cannot be read: the present ones stay", GuardiansKept, stacklevel=2
            )
            following = present
        return self._call(present, following, successor, decision)

    def end_for_another_root(self, successor: RootSecret, decision: int) -> Call | None:
        """The call by which the guardians go, and another root secret tells until then who they are; as ``change``.

        ``None`` where there are none, or that was done.
        """
        state, now = self._state()
        if not any(state.following) and replace(self, root=successor).tells_all():
            return None
        return self._call(self._present(state, now), None, successor, decision)

    def _call(self, present: GuardianSet | None, chosen: GuardianSet | None, root: RootSecret, decision: int) -> Call:
        """The call that sets the chosen guardians in place of the present ones.

        Its block tells whoever has the root secret of both.
        """
        sets = [one for one in (present, chosen) if one is not None]
        place, suite = self.ledger.place(self.patient), self.ledger.suite
        document = ZERO_BYTES32
        if sets:
            public_key = suite.public_key(root.root_key(suite.number, place))
            document = self.ledger.put_block(guardian_document.seal(sets, place, public_key, suite))
        return self.ledger.contract.set_guardians(
            self.patient,
            decision,
            delay=0 if present is None else present.delay,
            rest=ZERO_BYTES32 if present is None else present.rest,
            guardians=ZERO_BYTES32 if chosen is None else chosen.commitment,
            document=document,
        )

    def _state(self) -> tuple[Guardianship, int]:
        return self.ledger.contract.guardianship_of(self.patient), self.ledger.chain.now()

    def _present(self, state: Guardianship, now: int) -> GuardianSet | None:
        """The set that counts now; ``None`` if there is none. Raises as ``in_force``."""
        commitment = state.in_force(now)
        if not any(commitment):
            return None
        found, failure = self._sets(commitment)
        if commitment in found:
            return found[commitment]
        if failure is not None:
            raise failure
        raise GuardiansUnknown(f"no block that this root secret opens says who the guardians of {self.patient} are")

    def _sets(self, *commitments: bytes) -> tuple[dict[bytes, GuardianSet], StorageError | None]:
        """Commitment → set, of those that can be found; and why a block could not be had.

        Whoever has the wallet can name blocks that are nowhere: one that cannot be had hides none of the others.
        """
        wanted = {one for one in commitments if any(one)}
        found: dict[bytes, GuardianSet] = {}
        failure: StorageError | None = None
        for document in self._documents(wanted) if wanted else []:
            try:
                found |= {one.commitment: one for one in self._opened(document) if one.commitment in wanted}
            except StorageError as error:
                failure = failure or error
            if wanted <= found.keys():
                break
        return found, failure

    def _documents(self, wanted: Collection[bytes]) -> list[bytes]:
        """The blocks in the order in which they are looked into, each once: those named with a wanted set, the latest.

        The others have it too if they were sealed while it counted.
        """
        logs = fetch_logs(
            self.ledger.contract, [GuardiansSet], from_block=self.ledger.first_block, patient=self.patient
        )
        latest = [logged.event for logged in reversed(list(logs)) if isinstance(logged.event, GuardiansSet)]
        ordered = sorted(latest, key=lambda event: event.guardians not in wanted)  # keeps the order among equals
        return list(dict.fromkeys(event.document for event in ordered))

    def _opened(self, document: bytes) -> tuple[GuardianSet, ...]:
        """The sets of a block; none where it is another root secret's, or no such block."""
        if not any(document):
            return ()
        try:
            block = self.ledger.fetch(document)
            return guardian_document.open_sets(block, self.ledger.place(self.patient), self.root)
        except (WrongKey, FormatError, IntegrityError):
            return ()


def _require_answer(failure: StorageError | None) -> None:
    """Nothing follows from a store that is down. A block that is not found may be nowhere; one that takes long, too.

    Raises:
        StoreUnavailable: it is down.
    """
    if isinstance(failure, StoreUnavailable) and not isinstance(failure, StoreTimeout):
        raise failure


def under_way(state: Guardianship) -> UnderWay | None:
    """The recovery that is under way, as the contract has it."""
    return UnderWay(state.wallet, state.round, state.due, state.unanimous) if state.is_recovering else None
