"""Representatives: grantees with MANAGE, who decide for the patient within their own permission

grant with MANAGE
├── by the patient's wallet: the grantee is a representative while its permission is open
└── by a representative: BeyondLimits
a representative, directly and by a signature
├── grants
│   ├── within its masks, purposes, HISTORY and end: PermissionGranted, by the representative
│   ├── given anything beyond one of them: BeyondLimits
│   ├── in place of terms beyond one of them: BeyondLimits, so overwriting escapes no limit
│   └── to itself, the patient id or its wallet: SelfGrant
├── revokes what lies within its own permission, and nothing beyond; another representative neither
├── publishes keyrings of compartments that it may read: else CompartmentNotGranted; also with a revocation
├── resigns: its own permission ends, and nothing else of its own can it change
├── changes no wallet, publishes no manifest, writes nothing on behalf of the patient: NotController
├── has no agents; needs no accreditation; a suspension does not touch it
└── outside its window: NotYetValid, Expired; once revoked: NotController
what it granted
└── survives its end, and is revoked like any other permission
"""

from typing import Any

import pytest
from ape.api import ProviderAPI
from eth_account import Account as Keys

from tests.contracts.signing import POINTER, SEAL, Desk, sign
from tests.contracts.support import (
    APPEND,
    DAY,
    DECIDE,
    GENERAL,
    HISTORY,
    LAST_SECOND,
    MANAGE,
    PRACTITIONER,
    PSYCHIATRY,
    RESEARCH,
    TREAT,
    YEAR_2100,
    Account,
    Clock,
    Contract,
    Denial,
    Terms,
    digest,
    emitted,
    entry,
    not_permitted,
    plain,
    refused,
    set_slot,
    slot_of,
    terms,
    word_of,
)
from tests.contracts.test_revoke import NONE, revoked

LABORATORY = 1 << 17
LIMITS = terms(
    read=GENERAL | LABORATORY,
    append=GENERAL,
    purposes=1 << TREAT | 1 << RESEARCH,
    expiry=YEAR_2100,
    flags=MANAGE | HISTORY,
)
# What carol may give, as far as it goes.
WIDEST = LIMITS._replace(flags=HISTORY)
BEYOND = {
    "a compartment to read": {"read": GENERAL | PSYCHIATRY},
    "a compartment to append": {"append": LABORATORY},
    "a purpose": {"purposes": 1 << TREAT | 1 << 3},
    "a later end": {"expiry": YEAR_2100 + 1},
    "no end": {"expiry": LAST_SECOND},
    "MANAGE": {"flags": MANAGE},
}
each_beyond = pytest.mark.parametrize("beyond", BEYOND.values(), ids=BEYOND)
each_form = pytest.mark.parametrize("form", ["direct", "signed"])


@pytest.fixture(autouse=True)
def representative(medrec: Contract, alice: Account, carol: Account) -> None:
    """Carol represents alice. (The hospital's permission, by alice, lies within carol's.)"""
    medrec.grant(alice, carol, LIMITS, SEAL, 1, sender=alice)


class Hands:
    """Decisions for alice, directly or by a signature."""

    def __init__(self, medrec: Contract, desk: Desk, alice: Account, form: str) -> None:
        self.medrec, self.desk, self.alice, self.signed = medrec, desk, alice, form == "signed"

    def grant(self, by: Account, grantee: Any, granted: Terms, version: int = 1) -> Any:
        if self.signed:
            return self.desk.carry_out(self.desk.grant(self.alice, grantee, granted, signer=by, version=version), by)
        return self.medrec.grant(self.alice, grantee, granted, SEAL, version, sender=by)

    def revoke(self, by: Account, grantee: Any, *keyring: Any) -> Any:
        if self.signed:
            rest = dict(zip(("keyring_version", "compartments", "keyring"), keyring, strict=False))
            return self.desk.carry_out(self.desk.revoke(self.alice, grantee, signer=by, **rest), by)
        if keyring:
            return self.medrec.revokeAndRotate(self.alice, grantee, *keyring, sender=by)
        return self.medrec.revoke(self.alice, grantee, sender=by)

    def publish(self, by: Account, compartments: int, version: int = 1) -> Any:
        if self.signed:
            form = self.desk.keyring(self.alice, signer=by, compartments=compartments, version=version)
            return self.desk.carry_out(form, by)
        return self.medrec.publishKeyring(self.alice, version, compartments, POINTER, sender=by)


@pytest.fixture
def hands(medrec: Contract, desk: Desk, alice: Account, form: str) -> Hands:
    return Hands(medrec, desk, alice, form)


def beyond_limits(alice: Account, carol: Account) -> Any:
    """The decision does not lie within carol's permission."""
    return not_permitted(alice, carol, carol, DECIDE, Denial.BeyondLimits)


# -------------------------------------------------------------------------------------------------------------- grants


@each_form
@pytest.mark.parametrize(
    "granted",
    [
        WIDEST,
        terms(read=GENERAL, append=0),
        terms(read=0, append=GENERAL, purposes=1 << RESEARCH),
        terms(not_before=YEAR_2100 - DAY),
    ],
)
def test_grants_within_its_limits(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, clinic: Account, granted: Terms
) -> None:
    """All that it has itself, or less; the event carries its name."""
    [event] = emitted(medrec, hands.grant(carol, clinic, granted))
    assert (event.name, event.arguments["by"]) == ("PermissionGranted", carol)
    assert plain(medrec.permissionOf(alice, clinic)) == (granted, 1)


@each_form
@each_beyond
def test_grants_nothing_beyond(
    hands: Hands, alice: Account, carol: Account, clinic: Account, beyond: dict[str, int]
) -> None:
    """No compartment, purpose or time that it does not have, and never MANAGE."""
    with beyond_limits(alice, carol):
        hands.grant(carol, clinic, WIDEST._replace(**beyond))


@each_form
@each_beyond
def test_overwrites_nothing_beyond(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, clinic: Account, beyond: dict[str, int]
) -> None:
    """The old terms lie within its limits as well as the new: what alice gave beyond them carol neither narrows nor
    ends."""
    medrec.grant(alice, clinic, WIDEST._replace(**beyond), SEAL, 1, sender=alice)
    with beyond_limits(alice, carol):
        hands.grant(carol, clinic, terms(), 2)
    with beyond_limits(alice, carol):
        hands.revoke(carol, clinic)
    assert medrec.permissionOf(alice, clinic).version == 1


@each_form
def test_without_history_it_gives_none(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, clinic: Account
) -> None:
    """Nor does it touch what has it."""
    medrec.grant(alice, carol, LIMITS._replace(flags=MANAGE), SEAL, 2, sender=alice)
    with beyond_limits(alice, carol):
        hands.grant(carol, clinic, terms(flags=HISTORY))
    hands.grant(carol, clinic, terms())


@each_form
def test_never_grants_emergency(hands: Hands, carol: Account, clinic: Account) -> None:
    with refused("FlagsNotSupported", 4):
        hands.grant(carol, clinic, terms(flags=4))


@each_form
def test_grants_nothing_to_itself_or_the_patient(
    medrec: Contract, provider: ProviderAPI, hands: Hands, alice: Account, bob: Account, carol: Account
) -> None:
    """Neither to the id nor to its wallet."""
    set_slot(provider, medrec, slot_of("_patients", alice), int(bob.address, 16))
    for grantee in (carol, alice, bob):
        version = medrec.permissionOf(alice, grantee).version + 1
        with refused("SelfGrant", alice):
            hands.grant(carol, grantee, terms(), version)


@each_form
def test_changes_what_lies_within(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, hospital: Account
) -> None:
    """What alice gave the hospital is within carol's limits: she widens it to them, and narrows it."""
    hands.grant(carol, hospital, WIDEST, 2)
    [event] = emitted(medrec, hands.grant(carol, hospital, terms(read=0), 3))
    assert (event.arguments["lost"], event.arguments["keyringVersion"]) == (GENERAL | LABORATORY, 2)


@each_form
def test_narrower_limits_count_at_once(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, clinic: Account
) -> None:
    """The patient takes the laboratory from carol: from then on she gives it to nobody."""
    medrec.grant(alice, carol, LIMITS._replace(read=GENERAL), SEAL, 2, sender=alice)
    with beyond_limits(alice, carol):
        hands.grant(carol, clinic, terms(read=LABORATORY))


# --------------------------------------------------------------------------------------------------------- revocations


@each_form
def test_revokes_within_its_limits(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, hospital: Account, clinic: Account
) -> None:
    """What alice or carol gave; on an absent permission it leaves a tombstone."""
    receipt = hands.revoke(carol, hospital)
    assert emitted(medrec, receipt) == [revoked(alice, hospital, 2, GENERAL, 2, by=carol)]
    assert emitted(medrec, hands.revoke(carol, clinic)) == [revoked(alice, clinic, 1, 0, 0, by=carol)]


@each_form
def test_touches_no_other_representative(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, bob: Account
) -> None:
    """However little that one has: only the patient makes and unmakes representatives."""
    medrec.grant(alice, bob, terms(append=0, flags=MANAGE), SEAL, 1, sender=alice)
    for decision in (lambda: hands.revoke(carol, bob), lambda: hands.grant(carol, bob, terms(), 2)):
        with beyond_limits(alice, carol):
            decision()


@each_form
def test_resigns(medrec: Contract, hands: Hands, alice: Account, carol: Account, clinic: Account) -> None:
    """Its own permission ends, although no representative ends one with MANAGE; then it decides nothing."""
    lost = GENERAL | LABORATORY
    assert emitted(medrec, hands.revoke(carol, carol)) == [revoked(alice, carol, 2, lost, 2, by=carol)]
    assert plain(medrec.permissionOf(alice, carol)) == (NONE, 2)
    with not_permitted(alice, carol, alice, DECIDE, Denial.NotController):
        hands.grant(carol, clinic, terms())


@each_form
def test_resigns_with_new_keys(medrec: Contract, hands: Hands, alice: Account, carol: Account) -> None:
    """For the readers who stay, in the same transaction."""
    events = emitted(medrec, hands.revoke(carol, carol, 1, GENERAL, POINTER))
    assert [event.name for event in events] == ["KeyringPublished", "PermissionRevoked"]


@each_form
def test_who_is_no_representative_cannot_resign(hands: Hands, alice: Account, hospital: Account) -> None:
    """A permission is the patient's to end."""
    with not_permitted(alice, hospital, alice, DECIDE, Denial.NotController):
        hands.revoke(hospital, hospital)


# ------------------------------------------------------------------------------------------------------------ keyrings


@each_form
def test_publishes_keyrings_of_what_it_may_read(medrec: Contract, hands: Hands, alice: Account, carol: Account) -> None:
    """As their author, on behalf of the patient."""
    [event] = emitted(medrec, hands.publish(carol, GENERAL | LABORATORY))
    assert (event.name, event.arguments["author"]) == ("KeyringPublished", carol)
    assert medrec.historyOf(alice).keyringVersion == 2


@each_form
def test_publishes_no_keyring_of_other_compartments(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, hospital: Account
) -> None:
    """Whose keys it does not have: it could lock out those who do. Nor with a revocation, which then does not take
    place."""
    word = word_of(medrec, alice)
    for compartments in (PSYCHIATRY, GENERAL | PSYCHIATRY, 2**64 - 1):
        with not_permitted(alice, carol, carol, DECIDE, Denial.CompartmentNotGranted):
            hands.publish(carol, compartments)
        with not_permitted(alice, carol, carol, DECIDE, Denial.CompartmentNotGranted):
            hands.revoke(carol, hospital, 1, compartments, POINTER)
    assert word_of(medrec, alice) == word
    assert medrec.permissionOf(alice, hospital).version == 1


@each_form
def test_may_append_is_not_may_read(medrec: Contract, hands: Hands, alice: Account, carol: Account) -> None:
    """A compartment that it may only append to gets no keys from it."""
    medrec.grant(alice, carol, LIMITS._replace(read=LABORATORY), SEAL, 2, sender=alice)
    with not_permitted(alice, carol, carol, DECIDE, Denial.CompartmentNotGranted):
        hands.publish(carol, GENERAL, 2)


@each_form
def test_revokes_and_rotates(medrec: Contract, hands: Hands, alice: Account, carol: Account, hospital: Account) -> None:
    """In one transaction, within its limits; where the keyring is stale it is skipped."""
    events = emitted(medrec, hands.revoke(carol, hospital, 1, GENERAL, POINTER))
    assert [event.name for event in events] == ["KeyringPublished", "PermissionRevoked"]
    medrec.grant(alice, hospital, terms(), SEAL, 3, sender=alice)
    events = emitted(medrec, hands.revoke(carol, hospital, 1, PSYCHIATRY, POINTER))
    assert [event.name for event in events] == ["KeyringSkipped", "PermissionRevoked"]


# ----------------------------------------------------------------------------------------------------- what it may not


def test_everything_else_is_the_wallets(medrec: Contract, alice: Account, carol: Account, bob: Account) -> None:
    """No change of wallet, no guardians, no manifest, and nothing written in the patient's name."""
    calls = {
        "changeWallet": (alice, bob, 1, YEAR_2100, b""),
        "publishMoved": (alice, 1, GENERAL, POINTER),
        "publishErased": (alice, 1, GENERAL, POINTER),
        "setGuardians": (alice, 1, 0, bytes(32), digest("guardians"), POINTER),
        "stopRecovery": (alice, 0),
    }
    for function, arguments in calls.items():
        with not_permitted(alice, carol, alice, DECIDE, Denial.NotController):
            getattr(medrec, function)(*arguments, sender=carol)
    with not_permitted(alice, carol, alice, APPEND, Denial.NotController):
        medrec.append(alice, alice, 1, TREAT, entry(), sender=carol)
    with not_permitted(alice, carol, carol, APPEND, Denial.NotAccredited):
        medrec.append(alice, carol, 1, TREAT, entry(), sender=carol)


def test_signs_nothing_else_either(desk: Desk, alice: Account, carol: Account, bob: Account) -> None:
    change = desk.change_wallet(alice, bob, signer=carol)
    with not_permitted(alice, carol, alice, DECIDE, Denial.NotController):
        desk.send(change, sign(change, carol), sign(desk.consent(change), bob))
    for form in (
        desk.moved(alice, signer=carol),
        desk.set_guardians(alice, digest("guardians"), signer=carol),
        desk.stop_recovery(alice, signer=carol),
    ):
        with not_permitted(alice, carol, alice, DECIDE, Denial.NotController):
            desk.carry_out(form, carol)


@each_form
def test_it_is_one_patients(
    desk: Desk, medrec: Contract, alice: Account, bob: Account, carol: Account, clinic: Account, form: str
) -> None:
    """What alice granted says nothing of bob."""
    with not_permitted(bob, carol, bob, DECIDE, Denial.NotController):
        Hands(medrec, desk, bob, form).grant(carol, clinic, terms())


@each_form
def test_it_has_no_agents(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, nurse: Account, clinic: Account
) -> None:
    """Whoever carol named as agent decides nothing."""
    medrec.nameAgent(nurse, YEAR_2100, sender=carol)
    assert medrec.may(alice, nurse, carol, DECIDE, GENERAL, TREAT) == Denial.NotController
    with not_permitted(alice, nurse, alice, DECIDE, Denial.NotController):
        hands.grant(nurse, clinic, terms())


@each_form
def test_registrars_have_no_say(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, registrar: Account, clinic: Account
) -> None:
    """A representative needs no accreditation, and a suspension does not touch what it decides."""
    medrec.accredit(carol, PRACTITIONER, False, YEAR_2100, sender=registrar)
    medrec.suspend(carol, sender=registrar)
    hands.grant(carol, clinic, terms())
    assert medrec.may(alice, carol, carol, DECIDE, GENERAL, TREAT) == Denial.None_


@each_form
def test_outside_its_window(
    medrec: Contract, clock: Clock, hands: Hands, alice: Account, carol: Account, clinic: Account
) -> None:
    """Before it begins, and from the second in which it ends: neither grants, nor revokes, nor publishes."""
    begin, end = clock.now + DAY, clock.now + 2 * DAY
    window = LIMITS._replace(not_before=begin, expiry=end)
    medrec.grant(alice, carol, window, SEAL, 2, sender=alice)
    for time, denial in ((begin - 100, Denial.NotYetValid), (end, Denial.Expired)):
        clock.show(time)
        for decision in (
            lambda: hands.grant(carol, clinic, terms(expiry=end)),
            lambda: hands.revoke(carol, clinic),
            lambda: hands.publish(carol, GENERAL, 2),
            lambda: hands.revoke(carol, carol),
        ):
            with not_permitted(alice, carol, carol, DECIDE, denial):
                decision()


@each_form
def test_in_its_window(
    medrec: Contract, clock: Clock, hands: Hands, alice: Account, carol: Account, clinic: Account
) -> None:
    """From its first second to its last."""
    begin, end = clock.now + DAY, clock.now + 2 * DAY
    medrec.grant(alice, carol, LIMITS._replace(not_before=begin, expiry=end), SEAL, 2, sender=alice)
    for version, time in ((1, begin), (2, end - 1)):
        clock.set_next(time)
        hands.grant(carol, clinic, terms(expiry=end), version)


@each_form
def test_once_revoked_it_is_nobody(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, clinic: Account
) -> None:
    """From the next transaction."""
    medrec.revoke(alice, carol, sender=alice)
    with not_permitted(alice, carol, alice, DECIDE, Denial.NotController):
        hands.grant(carol, clinic, terms())


def test_what_it_signed_before_its_end_is_dead(
    medrec: Contract, desk: Desk, alice: Account, carol: Account, clinic: Account
) -> None:
    """Whoever held it back."""
    in_a_drawer = desk.grant(alice, clinic, signer=carol)
    medrec.revoke(alice, carol, sender=alice)
    with not_permitted(alice, carol, alice, DECIDE, Denial.NotController):
        desk.carry_out(in_a_drawer, carol)


@each_form
def test_what_it_granted_survives(
    medrec: Contract, hands: Hands, alice: Account, carol: Account, clinic: Account
) -> None:
    """Its end; and the patient revokes it like any other."""
    hands.grant(carol, clinic, terms())
    medrec.revoke(alice, carol, sender=alice)
    assert plain(medrec.permissionOf(alice, clinic)) == (terms(), 1)
    medrec.revoke(alice, clinic, sender=alice)
    assert plain(medrec.permissionOf(alice, clinic)) == (NONE, 2)


def test_a_wallet_that_is_also_a_grantee_is_not_limited(
    medrec: Contract, provider: ProviderAPI, alice: Account, carol: Account, clinic: Account
) -> None:
    """Carol controls the id now: her old permission limits nothing."""
    set_slot(provider, medrec, slot_of("_patients", alice), int(carol.address, 16))
    medrec.grant(alice, clinic, terms(read=PSYCHIATRY, flags=MANAGE), SEAL, 1, sender=carol)


def test_one_representatives_signature_is_not_anothers(
    medrec: Contract, desk: Desk, alice: Account, bob: Account, carol: Account, clinic: Account
) -> None:
    """Bob represents alice too, with less: he cannot put his name under what carol signed, nor hers under his own."""
    medrec.grant(alice, bob, terms(append=0, flags=MANAGE), SEAL, 1, sender=alice)
    wide = desk.grant(alice, clinic, WIDEST, signer=carol)
    with refused("SignatureInvalid", carol):
        desk.carry_out(wide, bob)
    with beyond_limits(alice, bob):
        desk.carry_out(desk.grant(alice, clinic, WIDEST, signer=bob), bob)


# ---------------------------------------------------------------------------------------------------------- predicate


def test_may_decide_is_a_representatives(
    medrec: Contract, clock: Clock, alice: Account, carol: Account, hospital: Account
) -> None:
    """Over compartments that it may read, for purposes that it has, in its window; by itself alone."""

    def may(compartments: int, purpose: int = TREAT, actor: Account = carol, principal: Account = carol) -> int:
        answer: int = medrec.may(alice, actor, principal, DECIDE, compartments, purpose)
        return answer

    assert [may(mask) for mask in (0, GENERAL, LABORATORY, GENERAL | LABORATORY)] == [Denial.None_] * 4
    assert may(PSYCHIATRY) == Denial.CompartmentNotGranted
    assert may(GENERAL, 3) == Denial.PurposeNotGranted
    assert may(GENERAL, actor=hospital, principal=carol) == Denial.NotController
    assert may(GENERAL, actor=hospital, principal=hospital) == Denial.NotController
    assert may(GENERAL, principal=alice) == Denial.NotController
    medrec.grant(alice, carol, LIMITS._replace(expiry=clock.now + DAY), SEAL, 2, sender=alice)
    clock.show(clock.now + DAY)
    assert may(GENERAL) == Denial.Expired
    medrec.revoke(alice, carol, sender=alice)
    assert may(GENERAL) == Denial.NotController


def test_a_key_outside_the_chain_signs_for_a_representative(
    medrec: Contract, desk: Desk, alice: Account, clinic: Account
) -> None:
    """An account that never sent anything represents as well as any other."""
    key = Keys.from_key(b"\x07" * 32)
    medrec.grant(alice, key.address, LIMITS, SEAL, 1, sender=alice)
    form = desk.grant(alice, clinic, signer=key.address)
    desk.send(form, bytes(key.sign_typed_data(full_message=form.typed_data()).signature))
    assert medrec.permissionOf(alice, clinic).version == 1
