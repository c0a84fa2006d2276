"""What is signed in a wallet (docs/format.md §12): the documents, their digests, and the calls that carry them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from eth_abi import decode
from eth_account.messages import encode_typed_data

from medrec_py.chain import abi
from medrec_py.chain.events import snake_case
from medrec_py.crypto.decisions import Register, SignedForm
from medrec_py.crypto.typed_data import digest_of, keccak, recover
from medrec_py.crypto.wallet_recovery import CompleteRecovery, Recover
from medrec_py.errors import InvalidInput
from tests.vectors import generate_decisions as generate

FORMS = [form for form, _ in generate.FORMS.values()]
VECTORS = json.loads((generate.HERE / generate.NAME).read_text())
CASES, RECOVERY = VECTORS["cases"], VECTORS["recovery"]
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: type(form).__name__)
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case["function"])


def flat(kind: str) -> list[str]:
    """The words that a type without dynamic parts takes."""
    return kind.strip("()").split(",")


def test_every_signed_form_has_a_class_and_a_vector() -> None:
    """None of the contract's is left out."""
    named = {form.__name__ for form in SignedForm.__subclasses__()}
    assert {type(form).__name__ for form in FORMS} == named - {Recover.__name__, CompleteRecovery.__name__}
    assert set(generate.FORMS) == {name for name in abi.items("function") if name.endswith("Signed")}


def test_the_vectors_are_what_the_code_writes() -> None:
    """A change in any byte shows here; if it is meant, the contract's types changed too."""
    assert (generate.HERE / generate.NAME).read_text() == generate.text()


@each_case
def test_digests_are_those_of_eip_712(case: dict[str, Any]) -> None:
    """By eth-account's implementation of the standard, from the document alone."""
    message = encode_typed_data(full_message=case["document"])
    digest = keccak(b"\x19" + message.version + message.header + message.body)
    assert digest.hex() == case["digest"]
    assert digest_of(case["document"]) == digest


def test_a_commitment_is_hashes_of_words() -> None:
    """As §13 says, by hand."""
    made = RECOVERY["guardians"]
    padded = b"".join(bytes(12) + bytes.fromhex(one) for one in made["guardians"])
    rest = keccak(bytes.fromhex(made["salt"]) + made["threshold"].to_bytes(32) + padded)
    assert (rest.hex(), keccak(made["delay"].to_bytes(32) + rest).hex()) == (made["rest"], made["commitment"])


def test_guardians_and_the_new_wallet_sign_a_recovery() -> None:
    """Each its own message; the first guardian's document has the digest that EIP-712 gives it."""
    signed = zip(RECOVERY["digests"], RECOVERY["signatures"], strict=True)
    recovered = [recover(bytes.fromhex(digest), bytes.fromhex(signature)) for digest, signature in signed]
    assert recovered == [one.address for one in (generate.CONSENT, *generate.APPROVING)]
    assert digest_of(RECOVERY["document"]).hex() == RECOVERY["digests"][1]


def test_the_call_of_a_recovery_shows_the_set() -> None:
    """With a signature for each guardian, in their order, and an empty one for who did not sign."""
    call = bytes.fromhex(RECOVERY["call"])
    function = abi.items("function")["beginRecovery"]
    assert call[:4] == function.selector
    *_, guardians, consent, signatures = decode(generate.RECOVERY, call[4:])
    assert [one[2:] for one in guardians] == RECOVERY["guardians"]["guardians"]
    assert [consent.hex(), *(one.hex() for one in signatures)] == [*RECOVERY["signatures"], ""]


@each_case
def test_signatures_are_their_signers(case: dict[str, Any]) -> None:
    """Each over the same digest."""
    _, signers = generate.FORMS[case["function"]]
    recovered = [recover(bytes.fromhex(case["digest"]), bytes.fromhex(one)) for one in case["signatures"]]
    assert recovered == [signer.address for signer in signers]


@each_case
def test_the_call_is_the_message_and_its_signatures(case: dict[str, Any]) -> None:
    """The members in their order and by their names are the first words of the call; signatures come last."""
    item = abi.items("function")[case["function"]]
    call, form = bytes.fromhex(case["call"]), generate.FORMS[case["function"]][0]
    assert call[:4] == item.selector
    words = [kind for kind in item.input_types if kind != "bytes"]
    assert [kind for _, kind in form.struct.fields] == [word for kind in words for word in flat(kind)]
    named = [parameter.name for parameter in item.inputs if "struct" not in parameter.internal][: len(words)]
    assert [name for name, _ in form.struct.fields if name in named] == [n for n in named if "ignature" not in n]
    *_, last = decode(item.input_types, call[4:])
    assert bytes(last).hex() == case.get("consent", case["signatures"][-1])


@each_form
def test_the_document_names_patient_and_signer(form: SignedForm) -> None:
    """So that what one owner of two accounts with code signed for one is nothing for the other."""
    (_, first), (second_name, second) = form.struct.fields[:2]
    assert (form.struct.fields[0][0], first, second) == ("patient", "address", "address")
    assert second_name in {"signer", "author", "actor", "wallet"}


@each_form
def test_attributes_are_the_members(form: SignedForm) -> None:
    """In their order, by their names; the place brings the patient."""
    names = [field.name for field in dataclasses.fields(form)]
    assert names == ["place", *[snake_case(name) for name, _ in form.struct.fields[1:]]]


@each_form
def test_every_member_is_in_the_digest(form: SignedForm) -> None:
    """Changing any of them, or the place, changes what is signed."""
    digests = {form.digest()}
    for field in dataclasses.fields(form)[1:]:
        value = getattr(form, field.name)
        other = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
        digests.add(dataclasses.replace(form, **{field.name: other}).digest())
    for change in ({"chain_id": 1}, {"contract": bytes(20)}, {"patient": bytes(20)}):
        digests.add(dataclasses.replace(form, place=dataclasses.replace(form.place, **change)).digest())
    assert len(digests) == len(dataclasses.fields(form)) + 3


@each_form
def test_what_does_not_fit_is_refused(form: SignedForm) -> None:
    """Out of range, negative, or of another size."""
    kinds = {snake_case(name): kind for name, kind in form.struct.fields[1:]}
    for name, kind in kinds.items():
        bad = [1 << int(kind[4:]), -1, True, b"1"] if kind.startswith("uint") else [b"", bytes(33), 1]
        for value in bad:
            with pytest.raises(InvalidInput):
                dataclasses.replace(form, **{name: value})


def test_they_are_values() -> None:
    """Equal where all is equal, hashable, and not to be changed."""
    form = Register(generate.PLACE, generate.HEIR.address, 1)
    assert {form, Register(generate.PLACE, generate.HEIR.address, 1)} == {form}
    with pytest.raises(dataclasses.FrozenInstanceError):
        form.deadline = 2  # type: ignore[misc]
