"""Wallets: keys from phrases and keystores as the standards have them, and no way out for a secret."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import pickle
import traceback
from typing import Any

import pytest
from coincurve import PrivateKey
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

import medrec_py.wallet
from medrec_py.crypto.keys import Deployment, RootSecret
from medrec_py.crypto.typed_data import TypedStruct, recover
from medrec_py.errors import (
    FormatError,
    InvalidInput,
    InvalidPhrase,
    RootSecretMissing,
    WalletError,
    WrongPassphrase,
)
from medrec_py.wallet import Signer, Wallet, require_root

KEY = bytes.fromhex("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d")
ZEROS = "abandon " * 23 + "art"
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


# --- phrases --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phrase", "address"),
    [
        # What every wallet shows for these: the phrase of BIP-39's first vector, and that of Anvil and Hardhat.
        ("abandon " * 11 + "about", "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"),
        ("test test test test test test test test test test test junk", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    ],
)
def test_a_phrase_gives_the_account_that_other_wallets_show(phrase: str, address: str) -> None:
    """BIP-39 without a passphrase, then BIP-44, m/44'/60'/0'/0/0."""
    assert Wallet.from_phrase(phrase).address == address


def derived(phrase: str, account: int = 0) -> tuple[bytes, bytes]:
    """Seed and key of a phrase by BIP-39, BIP-32 and BIP-44, written down a second time."""
    seed = hashlib.pbkdf2_hmac("sha512", phrase.encode(), b"mnemonic", 2048)
    node = hmac.digest(b"Bitcoin seed", seed, "sha512")
    for index in (44 + 2**31, 60 + 2**31, 2**31, 0, account):
        key, chain = node[:32], node[32:]
        head = b"\0" + key if index >= 2**31 else PrivateKey(key).public_key.format()
        node = hmac.digest(chain, head + index.to_bytes(4), "sha512")
        node = ((int.from_bytes(node[:32]) + int.from_bytes(key)) % CURVE_ORDER).to_bytes(32) + node[32:]
    return seed, node[:32]


def test_key_and_root_are_those_of_the_format() -> None:
    """Key and root secret of a new phrase are those of docs/format.md §2, by a second implementation."""
    wallet = Wallet.create()
    assert wallet.phrase is not None
    seed, key = derived(wallet.phrase)
    assert wallet.address == Account.from_key(key).address
    # HKDF-SHA256 with an empty salt; the info is a CBOR array of one text of 20 bytes.
    extracted = hmac.digest(bytes(32), seed, "sha256")
    info = b"\x81\x74medrec/1/root-secret"
    assert wallet.root is not None
    assert wallet.root.expose() == hmac.digest(extracted, info + b"\x01", "sha256")


@pytest.mark.parametrize(
    ("account", "address"),
    [
        # What Anvil and Hardhat print for their phrase.
        (1, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        (2, "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
        (9, "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"),
    ],
)
def test_a_phrase_has_further_accounts(account: int, address: str) -> None:
    """m/44'/60'/0'/0/account, with the root secret of the phrase, whichever account signs."""
    phrase = "test " * 11 + "junk"
    wallet, first = Wallet.from_phrase(phrase, account=account), Wallet.from_phrase(phrase)
    assert wallet.address == address
    assert Wallet.from_phrase(phrase, 0).address == first.address
    assert (wallet.root, wallet.phrase) == (first.root, first.phrase)


@pytest.mark.parametrize("account", [3, 2**31 - 1])
def test_the_key_of_a_further_account_is_bip_44s(account: int) -> None:
    """By a second implementation, up to the last one."""
    _, key = derived(ZEROS, account)
    assert Wallet.from_phrase(ZEROS, account).address == Account.from_key(key).address


@pytest.mark.parametrize("account", [-1, 2**31, 2**32])
def test_accounts_beyond_the_path_are_refused(account: int) -> None:
    """A number beyond 2^31 - 1 would mean another kind of derivation (BIP-32)."""
    with pytest.raises(InvalidInput):
        Wallet.from_phrase(ZEROS, account)


def test_a_new_wallet_is_new() -> None:
    """Each has a phrase of 24 words of its own, which restores key and root."""
    wallets = [Wallet.create() for _ in range(3)]
    assert len({wallet.phrase for wallet in wallets}) == 3
    for wallet in wallets:
        assert wallet.phrase is not None
        assert len(wallet.phrase.split()) == 24
        twin = Wallet.from_phrase(wallet.phrase)
        assert (twin.address, twin.root) == (wallet.address, wallet.root)


def test_a_phrase_may_be_written_as_people_write() -> None:
    """Capitals, white space, line ends and the first four letters of each word give the same wallet and phrase."""
    wallet = Wallet.from_phrase(ZEROS)
    for written in (ZEROS.upper(), "\n ".join(ZEROS.split()) + " \n", " ".join(word[:4] for word in ZEROS.split())):
        twin = Wallet.from_phrase(written)
        assert (twin.address, twin.phrase) == (wallet.address, ZEROS)


@pytest.mark.parametrize(
    "phrase",
    [
        "",
        "abandon",
        "abandon " * 12,
        ZEROS.replace("art", "arm"),
        ZEROS + " abandon",
        ZEROS.replace("art", "swordfish"),
        "abandon about " + "abandon " * 10,
        "\u3042\u3044\u3053\u304f\u3057\u3093 " * 12,
        "\x00",
    ],
)
def test_what_is_no_phrase_is_refused(phrase: str) -> None:
    """A wrong checksum, number of words, word or order is an error that does not show the words."""
    with pytest.raises(InvalidPhrase) as caught:
        Wallet.from_phrase(phrase)
    shown = "".join(traceback.format_exception(caught.value)).partition("InvalidPhrase")[2]
    assert not any(word in shown for word in phrase.split() if len(word) > 3)
    assert caught.value.__context__ is None


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_phrase_or_refused(text: str) -> None:
    """No text raises anything else."""
    with pytest.raises(InvalidPhrase):
        Wallet.from_phrase(text)


# --- keys -----------------------------------------------------------------------------------------


def test_a_key_in_each_usual_form() -> None:
    """32 bytes, and hexadecimal digits with and without 0x, are the same wallet; it has neither phrase nor root."""
    for key in (KEY, KEY.hex(), "0x" + KEY.hex(), KEY.hex().upper()):
        wallet = Wallet.from_key(key)
        assert wallet.address == "0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b"
        assert wallet.phrase is None
        assert wallet.root is None


@pytest.mark.parametrize(
    "key",
    [b"", KEY[:-1], KEY + b"\0", bytes(32), CURVE_ORDER.to_bytes(32), b"\xff" * 32, "zz" * 32, "0x", KEY.hex()[:-1]],
)
def test_what_is_no_key_is_refused(key: bytes | str) -> None:
    """Zero, what lies beyond the curve's order, and other lengths are refused without showing what was given."""
    with pytest.raises(InvalidInput) as caught:
        Wallet.from_key(key)
    assert KEY.hex()[:16] not in "".join(traceback.format_exception(caught.value)).partition("InvalidInput")[2]
    assert caught.value.__context__ is None


# --- keystores ------------------------------------------------------------------------------------

PBKDF2: dict[str, Any] = {  # the two vectors of the Web3 Secret Storage definition
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
SCRYPT: dict[str, Any] = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "p": 8,
            "r": 1,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}


def changed(document: dict[str, Any], *path: str, value: Any) -> dict[str, Any]:
    """A keystore with one value replaced, or left out if it is None."""
    twin = copy.deepcopy(document)
    place = twin
    for name in path[:-1]:
        place = place[name]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return twin


@pytest.mark.slow
@pytest.mark.parametrize("document", [PBKDF2, SCRYPT], ids=["pbkdf2", "scrypt"])
def test_keystores_of_the_standard_open(document: dict[str, Any]) -> None:
    """The vectors of the Web3 Secret Storage definition give their key, as text and as read."""
    assert Wallet.from_keystore(document, "testpassword").address == Wallet.from_key(KEY).address
    assert Wallet.from_keystore(json.dumps({**document, "Crypto": document["crypto"]}), "testpassword").address


@pytest.mark.slow
def test_a_keystore_gives_the_wallet_back() -> None:
    """What `to_keystore` writes has scrypt at its full cost and a new salt; it opens here and with eth-account."""
    wallet = Wallet.from_key(KEY)
    document = wallet.to_keystore("correct horse")
    assert document["version"] == 3
    assert document["crypto"]["kdf"] == "scrypt"
    assert document["crypto"]["kdfparams"]["n"] == 2**18
    assert json.loads(json.dumps(document)) == document
    assert KEY.hex() not in json.dumps(document)
    root = RootSecret.generate()
    twin = Wallet.from_keystore(document, "correct horse", root=root)
    assert (twin.address, twin.root) == (wallet.address, root)
    assert bytes(Account.decrypt(document, "correct horse")) == KEY
    assert wallet.to_keystore("correct horse")["crypto"]["kdfparams"]["salt"] != document["crypto"]["kdfparams"]["salt"]


def test_an_empty_passphrase_is_refused() -> None:
    """It would look like protection."""
    with pytest.raises(InvalidInput):
        Wallet.from_key(KEY).to_keystore("")


@pytest.mark.parametrize(
    "document",
    [
        PBKDF2,
        changed(PBKDF2, "crypto", "mac", value="00" * 32),
        changed(PBKDF2, "crypto", "ciphertext", value="00" * 32),
        changed(PBKDF2, "crypto", "kdfparams", "salt", value="00" * 32),
    ],
)
def test_a_passphrase_that_does_not_open(document: dict[str, Any]) -> None:
    """A wrong passphrase, and a keystore whose contents were changed, which cannot be told apart."""
    with pytest.raises(WrongPassphrase) as caught:
        Wallet.from_keystore(document, "testpassword" if document is not PBKDF2 else "Testpassword")
    assert "assword " not in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "nonsense",
        "[]",
        "null",
        {},
        {"version": 3},
        changed(PBKDF2, "version", value=4),
        changed(PBKDF2, "version", value="3"),
        changed(PBKDF2, "crypto", value=None),
        changed(PBKDF2, "crypto", value="text"),
        changed(PBKDF2, "crypto", "kdf", value="argon2"),
        changed(PBKDF2, "crypto", "kdfparams", value=None),
        changed(PBKDF2, "crypto", "kdfparams", "salt", value="xyz"),
        changed(PBKDF2, "crypto", "kdfparams", "prf", value="hmac-md0"),
        changed(PBKDF2, "crypto", "kdfparams", "c", value="many"),
        changed(PBKDF2, "crypto", "ciphertext", value=None),
        changed(PBKDF2, "crypto", "cipherparams", value={}),
        changed(PBKDF2, "crypto", "mac", value=7),
        changed(SCRYPT, "crypto", "kdfparams", "n", value=3),
        changed(SCRYPT, "crypto", "kdfparams", "dklen", value=16),
        changed(SCRYPT, "crypto", "kdfparams", "dklen", value=2**40),
    ],
)
def test_what_is_no_keystore_is_refused(document: Any) -> None:
    """Other versions, other ciphers and damaged documents are a FormatError, nothing else."""
    with pytest.raises(FormatError):
        Wallet.from_keystore(document, "testpassword")


@pytest.mark.parametrize(
    "change",
    [("n", 2**40), ("r", 2**30), ("p", 2**24), ("n", -(2**40)), ("c", 2**40)],
    ids=lambda change: f"{change[0]} {change[1]}",
)
def test_a_keystore_cannot_take_the_machine_down(change: tuple[str, int]) -> None:
    """A document that asks for terabytes or days is refused before any work is done."""
    name, value = change
    document = PBKDF2 if name == "c" else SCRYPT
    with pytest.raises((WalletError, FormatError)):
        Wallet.from_keystore(changed(document, "crypto", "kdfparams", name, value=value), "testpassword")


def test_a_keystore_of_another_account_is_found_out() -> None:
    """A document whose stated address is not that of its key was tampered with or mixed up."""
    with pytest.raises(WalletError, match="says that it is of"):
        Wallet.from_keystore({**PBKDF2, "address": "00" * 20}, "testpassword")
    stated = Wallet.from_key(KEY).address[2:].lower()
    assert Wallet.from_keystore({**PBKDF2, "address": stated}, "testpassword")


# --- signing --------------------------------------------------------------------------------------

STRUCT = TypedStruct("Thing", (("patient", "address"), ("id", "bytes16"), ("time", "uint64")))


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=20, max_size=20), st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1))
def test_typed_data_are_signed_as_the_contract_checks_them(patient: bytes, thing: bytes, time: int) -> None:
    """65 bytes r ‖ s ‖ v over the digest that crypto computes, low s, v 27 or 28, the same each time."""
    wallet = Wallet.from_key(KEY)
    deployment = Deployment(1337, b"\x11" * 20)
    message: dict[str, int | bytes] = {"patient": patient, "id": thing, "time": time}
    document = STRUCT.typed_data(deployment, message)
    signature = wallet.sign_typed_data(document)
    assert len(signature) == 65
    assert signature[64] in {27, 28}
    assert int.from_bytes(signature[32:64]) <= CURVE_ORDER // 2
    assert "0x" + recover(STRUCT.digest(deployment, message), signature).hex() == wallet.address.lower()
    assert wallet.sign_typed_data(document) == signature
    assert signature == bytes(Account.from_key(KEY).sign_typed_data(full_message=document).signature)


def test_typed_data_of_other_applications_are_signed_too() -> None:
    """EIP-712 is more than what MedRec uses of it; eth-account hashes the rest."""
    document = STRUCT.typed_data(Deployment(1337, b"\x11" * 20), {"patient": bytes(20), "id": bytes(16), "time": 0})
    document["domain"]["name"] = "Another application"
    signed = Account.from_key(KEY).sign_typed_data(full_message=document)
    assert Wallet.from_key(KEY).sign_typed_data(document) == bytes(signed.signature)


@pytest.mark.parametrize(
    "document", [{}, {"types": {}}, {"message": {}, "primaryType": "A", "types": {"A": []}, "domain": 5}]
)
def test_what_is_no_typed_data_is_not_signed(document: dict[str, Any]) -> None:
    """A document that is none is refused."""
    with pytest.raises(InvalidInput):
        Wallet.from_key(KEY).sign_typed_data(document)


FIELDS = {"chainId": 1337, "nonce": 7, "gas": 21_000, "value": 1, "data": b"\x01", "to": "0x" + "11" * 20}
LEGACY = {**FIELDS, "gasPrice": 5}
DYNAMIC = {**FIELDS, "type": 2, "maxFeePerGas": 5, "maxPriorityFeePerGas": 1}


@pytest.mark.parametrize("fields", [LEGACY, DYNAMIC, {**DYNAMIC, "to": None}], ids=["legacy", "EIP-1559", "deployment"])
def test_transactions_are_signed(fields: dict[str, Any]) -> None:
    """What comes back is what a node takes, signed by this account, for this chain alone."""
    wallet = Wallet.from_key(KEY)
    fields = {name: value for name, value in fields.items() if value is not None}
    raw = wallet.sign_transaction(dict(fields))
    assert isinstance(raw, bytes)
    assert Account.recover_transaction(raw) == wallet.address
    assert raw != wallet.sign_transaction({**fields, "chainId": 1})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {**LEGACY, "nonce": "seven"},
        {name: value for name, value in LEGACY.items() if name != "gas"},
        {**LEGACY, "to": "0x12"},
        {**LEGACY, "from": "0x" + "22" * 20},
    ],
)
def test_what_is_no_transaction_is_not_signed(fields: dict[str, Any]) -> None:
    """Missing and impossible fields, and another sender, are refused."""
    with pytest.raises(InvalidInput):
        Wallet.from_key(KEY).sign_transaction(fields)


# --- secrets --------------------------------------------------------------------------------------


def secrets_of(wallet: Wallet) -> list[str]:
    """Everything that must not be seen, in each form that it might take."""
    assert wallet.phrase is not None
    assert wallet.root is not None
    key = bytes(wallet._account.key)
    return [wallet.phrase, " ".join(wallet.phrase.split()[3:5]), key.hex(), repr(key)[2:-1], wallet.root.expose().hex()]


def test_no_secret_is_shown() -> None:
    """repr, str, format and a dictionary of it show the address alone."""
    wallet = Wallet.create()
    for shown in (repr(wallet), str(wallet), f"{wallet}", repr({"wallet": wallet}), repr([wallet])):
        assert wallet.address in shown
        assert not any(secret in shown for secret in secrets_of(wallet))
    assert not hasattr(wallet, "__dict__")


def test_no_secret_is_shown_by_errors() -> None:
    """Errors of signing show what was to be signed, never what with."""
    wallet = Wallet.create()
    for attempt in (
        lambda: wallet.sign_transaction({}),
        lambda: wallet.sign_typed_data({}),
        lambda: wallet.to_keystore(""),
    ):
        with pytest.raises(InvalidInput) as caught:
            attempt()
        shown = "".join(traceback.format_exception(caught.value))
        assert not any(secret in shown for secret in secrets_of(wallet))


@pytest.mark.parametrize("spread", [copy.copy, copy.deepcopy, pickle.dumps, lambda wallet: pickle.dumps([wallet], 0)])
def test_a_wallet_is_not_spread(spread: Any) -> None:
    """It cannot be copied, pickled, or sent to another process: each is a way for a key to be left lying about."""
    with pytest.raises(TypeError, match="wallet"):
        spread(Wallet.create())


# --- the protocol ---------------------------------------------------------------------------------


def test_a_wallet_is_a_signer() -> None:
    """The local wallet fulfils the protocol that MedRec asks for, and so does anything with its three members."""

    class Remote:
        address = "0x" + "11" * 20

        def sign_transaction(self, transaction: dict[str, Any], /) -> bytes:
            return b""

        def sign_typed_data(self, document: dict[str, Any], /) -> bytes:
            return b""

    assert isinstance(Wallet.create(), Signer)
    assert isinstance(Remote(), Signer)
    assert not isinstance(object(), Signer)


def test_the_root_secret_to_use() -> None:
    """The one given comes first, then the wallet's own; where there is neither, the error says what to do."""
    wallet, given = Wallet.create(), RootSecret.generate()
    assert require_root(wallet) == wallet.root
    assert require_root(wallet, given) == given
    assert require_root(Wallet.from_key(KEY), given) == given
    with pytest.raises(RootSecretMissing, match="no root secret") as caught:
        require_root(Wallet.from_key(KEY))
    assert "root=" in caught.value.remedy


def test_random_numbers_are_the_operating_systems() -> None:
    """Nothing in the wallet's module draws from a generator that is not made for secrets."""
    with open(medrec_py.wallet.__file__, encoding="utf-8") as source:
        assert "import random" not in source.read()
