"""Bundles of signed decisions: what is written is read again, and nothing else is."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medrec_py.crypto.blocks import MAX_BLOCK, pointer_to
from medrec_py.crypto.decisions import ChangeWallet, Grant, PublishKeyring, Register, Revoke, SignedForm
from medrec_py.crypto.signed_decisions import (
    FORMS,
    MAX_BLOCKS,
    MAX_BUNDLE,
    MAX_DECISIONS,
    Bundle,
    SignedDecision,
    blocks_named,
    deadline_of,
    read_decision,
    signer_of,
)
from medrec_py.crypto.typed_data import MAX_SIGNATURE_SIZE
from medrec_py.crypto.wallet_change import WalletChange
from medrec_py.errors import FormatError, MedRecError, SignatureMissing
from tests.sdk.crypto.people import ALICE, CLINIC, NOW, PLACE, Wallet, some

PATIENT, HERE = ALICE, PLACE
DEADLINE = NOW + 3600


def signed(decision: SignedForm, *wallets: Wallet) -> SignedDecision:
    """A decision, signed by whoever is given."""
    return SignedDecision(decision, tuple(wallet.sign_typed_data(decision.typed_data()) for wallet in wallets))


def example(form: type[SignedForm]) -> SignedForm:
    """A decision with a value of its own in each member."""
    values: dict[str, Any] = {}
    for number, field in enumerate(fields(form)):
        if field.name == "place":
            continue
        kind = {name.lower(): kind for name, kind in form.struct.fields}[field.name.replace("_", "")]
        sizes = {"address": 20, "bytes32": 32}
        values[field.name] = some(field.name, sizes[kind]) if kind in sizes else number + 1
    return form(HERE, **values)


def grant(**changes: Any) -> SignedDecision:
    decision = replace(example(Grant), signer=HERE.patient, deadline=DEADLINE, **changes)
    return signed(decision, PATIENT)


BUNDLE = Bundle((grant(), grant(version=2)), atomic=True)


# --- what is written ------------------------------------------------------------------------------


def test_every_form_is_known() -> None:
    """Each that there is, by the name of its type."""
    assert {form.__name__ for form in FORMS.values()} == {form.__name__ for form in SignedForm.__subclasses__()}
    assert all(name == form.__name__ for name, form in FORMS.items())


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_document_is_read_as_the_decision_it_states(form: type[SignedForm]) -> None:
    """Of each form; who signs it, until when, and the blocks that it names."""
    decision = example(form)
    assert read_decision(json.loads(json.dumps(decision.typed_data()))) == decision
    assert len(signer_of(decision)) == 20
    assert deadline_of(decision) == decision.deadline  # type: ignore[attr-defined]
    assert all(len(pointer) == 32 for pointer in blocks_named(decision))


def test_a_bundle_is_read_as_it_was_written() -> None:
    """In one way of writing it, which is what its id is of."""
    block = b"sealed keys"
    bundle = Bundle((grant(seal=pointer_to(block)),), (block,))
    again = Bundle.from_json(bundle.to_json())
    assert (again, again.id, again.to_json()) == (bundle, bundle.id, bundle.to_json())
    loose = json.dumps(json.loads(bundle.to_json()), indent=4).encode()
    assert Bundle.from_json(loose).id == bundle.id
    assert len({bundle.id, BUNDLE.id, Bundle(BUNDLE.decisions).id}) == 3
    assert (bundle.place, bundle.deadline) == (HERE, DEADLINE)


def test_the_largest_bundle_has_room() -> None:
    """As many decisions, signatures and blocks as may be are within the size that is read."""
    wide = SignedDecision(
        ChangeWallet(HERE, HERE.patient, CLINIC.address, 1, DEADLINE),
        (bytes(MAX_SIGNATURE_SIZE),) * 2,
    )
    assert len(Bundle((wide,) * MAX_DECISIONS).to_json()) + MAX_BLOCK * 8 * 4 // 3 < MAX_BUNDLE


# --- signatures -----------------------------------------------------------------------------------


def test_signatures_are_checked_one_by_one() -> None:
    """Another's, one over something else, one that is none."""
    BUNDLE.verify()
    good = BUNDLE.decisions[0]
    for signature in (
        BUNDLE.decisions[1].signatures[0],
        CLINIC.sign_typed_data(good.decision.typed_data()),
        b"\0" * 65,
    ):
        with pytest.raises(SignatureMissing, match=HERE.patient.hex()):
            Bundle((good, SignedDecision(good.decision, (signature,)))).verify()


def test_who_has_to_sign() -> None:
    """A registration under another wallet, and a change of wallet: that wallet as well, each its own document."""
    wallet = CLINIC.address
    own = Register(HERE, HERE.patient, DEADLINE)
    signed(own, PATIENT).verify()
    other = Register(HERE, wallet, DEADLINE)
    with pytest.raises(FormatError, match="2 signatures"):
        signed(other, PATIENT)
    mine, theirs = (one.sign_typed_data(other.typed_data()) for one in (PATIENT, CLINIC))
    SignedDecision(other, (mine, theirs)).verify()
    with pytest.raises(SignatureMissing):
        SignedDecision(other, (theirs, mine)).verify()
    change = ChangeWallet(HERE, HERE.patient, wallet, 1, DEADLINE)
    consent = WalletChange(HERE, wallet, 1, DEADLINE)
    signatures = PATIENT.sign_typed_data(change.typed_data()), CLINIC.sign_typed_data(consent.typed_data())
    SignedDecision(change, signatures).verify()
    with pytest.raises(SignatureMissing):
        SignedDecision(change, (signatures[0], CLINIC.sign_typed_data(change.typed_data()))).verify()


def test_accounts_with_code_are_asked_where_that_is_possible() -> None:
    """Without the chain they are refused."""
    odd = SignedDecision(BUNDLE.decisions[0].decision, (b"of an account with code",))
    with pytest.raises(SignatureMissing):
        odd.verify()
    asked = []

    def check(account: bytes, digest: bytes, signature: bytes) -> bool:
        asked.append((account, digest, signature))
        return True

    odd.verify(check)
    assert asked == [(HERE.patient, odd.decision.digest(), b"of an account with code")]


@pytest.mark.parametrize("signatures", [(), (b"",), (bytes(MAX_SIGNATURE_SIZE + 1),), (b"x", b"y")])
def test_signatures_of_impossible_number_or_size(signatures: tuple[bytes, ...]) -> None:
    with pytest.raises(FormatError):
        SignedDecision(BUNDLE.decisions[0].decision, signatures)


# --- blocks ---------------------------------------------------------------------------------------


def test_blocks_that_nobody_signed() -> None:
    """Each is named by a decision, or by a block that is; nobody stores anything else."""
    page = b"a page of seals"
    keyring = b"keyring: " + pointer_to(page)
    publish = signed(PublishKeyring(HERE, HERE.patient, pointer_to(keyring), 1, 1, DEADLINE), PATIENT)
    Bundle((publish,), (page, keyring))
    for blocks in ((page,), (keyring, b"other"), (keyring, keyring), (keyring, page, b"other")):
        with pytest.raises(FormatError, match="block"):
            Bundle((publish,), blocks)
    revoke = replace(example(Revoke), signer=HERE.patient, keyring=bytes(32))
    assert blocks_named(revoke) == ()
    with pytest.raises(FormatError, match="named by no decision"):
        Bundle((signed(revoke, PATIENT),), (b"other",))


def test_limits() -> None:
    """Decisions, blocks, bytes; several deployments."""
    one = BUNDLE.decisions[0]
    elsewhere = signed(replace(one.decision, place=replace(HERE, chain_id=2)), PATIENT)
    many = tuple(bytes([number]) for number in range(MAX_BLOCKS + 1))
    for decisions, blocks in (
        ((), ()),
        ((one,) * (MAX_DECISIONS + 1), ()),
        ((one, elsewhere), ()),
        ((one,), many),
        ((one,), (bytes(MAX_BLOCK + 1),)),
        ((one,), tuple(bytes([number]) * MAX_BLOCK for number in range(9))),
    ):
        with pytest.raises(FormatError):
            Bundle(decisions, blocks)


# --- hostile input --------------------------------------------------------------------------------


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    document = json.loads(Bundle((grant(seal=pointer_to(b"x")),), (b"x",)).to_json())
    change(document)
    return json.dumps(document).encode()


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another version": lambda d: d.update(v=2),
    "a version that is true": lambda d: d.update(v=True),
    "a version that is 1.0": lambda d: d.update(v=1.0),
    "another member": lambda d: d.update(more=1),
    "a member missing": lambda d: d.pop("blocks"),
    "atomic that is 1": lambda d: d.update(atomic=1),
    "no decision": lambda d: d.update(decisions=[]),
    "decisions that are an object": lambda d: d.update(decisions={}),
    "a decision that is null": lambda d: d.update(decisions=[None]),
    "a decision with another member": lambda d: d["decisions"][0].update(more=1),
    "typed data that is a list": lambda d: d["decisions"][0].update(typedData=[]),
    "signatures that are text": lambda d: d["decisions"][0].update(signatures="0x00"),
    "a signature in upper case": lambda d: d["decisions"][0].update(signatures=["0xAB"]),
    "a signature with spaces": lambda d: d["decisions"][0].update(signatures=["0xab cd"]),
    "a signature without 0x": lambda d: d["decisions"][0].update(signatures=["ab"]),
    "a signature that is a number": lambda d: d["decisions"][0].update(signatures=[1]),
    "a signature of odd length": lambda d: d["decisions"][0].update(signatures=["0xabc"]),
    "a block that is a number": lambda d: d.update(blocks=[1]),
    "a block that is null": lambda d: d.update(blocks=[None]),
    "a block with a line feed": lambda d: d.update(blocks=["eA==\n"]),
    "a block with spare bits": lambda d: d.update(blocks=["eB=="]),
    "a block beyond ASCII": lambda d: d.update(blocks=["é"]),
    "another type": lambda d: d["decisions"][0]["typedData"].update(primaryType="Permit"),
    "a type that is a list": lambda d: d["decisions"][0]["typedData"].update(primaryType=["Grant"]),
    "another domain": lambda d: d["decisions"][0]["typedData"]["domain"].update(name="Other"),
    "chain zero": lambda d: d["decisions"][0]["typedData"]["domain"].update(chainId=0),
    "a chain that is text": lambda d: d["decisions"][0]["typedData"]["domain"].update(chainId="1"),
    "a member of the message missing": lambda d: d["decisions"][0]["typedData"]["message"].pop("grantee"),
    "a member of the message too large": lambda d: d["decisions"][0]["typedData"]["message"].update(read=str(1 << 64)),
    "a member of the message below zero": lambda d: d["decisions"][0]["typedData"]["message"].update(read="-1"),
    "an address in lower case": lambda d: d["decisions"][0]["typedData"]["message"].update(grantee="0x" + "ab" * 20),
    "an address that is short": lambda d: d["decisions"][0]["typedData"]["message"].update(grantee="0xab"),
    "another order of members": lambda d: d["decisions"][0]["typedData"]["types"]["Grant"].reverse(),
    "a type with another kind": lambda d: d["decisions"][0]["typedData"]["types"]["Grant"][3].update(type="uint256"),
    "a surrogate": lambda d: d["decisions"][0]["typedData"]["message"].update(grantee="\ud800"),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_bundle_that_somebody_altered(change: Callable[[dict[str, Any]], Any]) -> None:
    """It is refused as a matter of form, whatever its signatures are."""
    Bundle.from_json(changed(lambda _: None))
    with pytest.raises(FormatError):
        Bundle.from_json(changed(change))


def test_what_is_no_json_or_would_take_too_much() -> None:
    """Deep nesting, many parts, long numbers, too many bytes: refused at once, by processes of any recursion limit."""
    texts = {
        "deep": b"[" * 1_000_000,
        "deep objects": b'{"a":' * 1_000_000,
        "wide": b"[" + b"[]," * 1_000_000 + b"[]]",
        "open string": b'["' + b'\\"' * 1_000_000,
        "long number": b"[" + b"9" * 1_000_000 + b"]",
        "not UTF-8": b'"\xff"',
        "UTF-16": json.dumps({"v": 1}).encode("utf-16"),
        "NaN": b'{"v": NaN}',
        "too large": bytes(MAX_BUNDLE + 1),
    }
    for name, text in texts.items():
        with pytest.raises(FormatError):
            Bundle.from_json(text)
        assert name


def test_a_secret_is_no_part_of_what_is_shown() -> None:
    """Signatures and blocks stay out of logs."""
    block = b"block of keys"
    bundle = Bundle((grant(seal=pointer_to(block)),), (block,))
    shown = repr(bundle)
    assert bundle.decisions[0].signatures[0].hex() not in shown
    assert "block of keys" not in shown
    assert base64.b64encode(block).decode() not in shown


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_part_exchanged(data: st.DataObject) -> None:
    """Whatever is put in place of any part: an error of MedRec's, or a bundle that is written as it was read."""
    document: Any = json.loads(BUNDLE.to_json())
    part, keys = document, []
    while isinstance(part, dict | list) and part and (not keys or data.draw(st.booleans())):
        keys.append(data.draw(st.sampled_from(list(part) if isinstance(part, dict) else range(len(part)))))
        part = part[keys[-1]]
    holder = document
    for key in keys[:-1]:
        holder = holder[key]
    odd = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just([]), st.just({}))
    holder[keys[-1]] = data.draw(odd)
    try:
        bundle = Bundle.from_json(json.dumps(document).encode())
    except MedRecError:
        return
    assert Bundle.from_json(bundle.to_json()) == bundle
