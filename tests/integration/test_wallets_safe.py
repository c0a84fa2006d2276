"""Accounts with code: real Safes with one and two owners decide, consent and sign statements (ERC-1271)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import pytest

import medrec_py as medrec
from medrec_py.chain import reverts
from medrec_py.chain.events import ProfilePublished
from medrec_py.chain.signatures import ContractSignatures
from medrec_py.chain.transactions import Call, send
from medrec_py.crypto.keys import Place
from medrec_py.crypto.typed_data import SIGNATURE_SIZE, is_signed_by, sign
from medrec_py.crypto.wallet_change import WalletChange
from medrec_py.errors import ChainUnavailable, ForeignChain, InvalidInput, OwnersMissing, SignsNoTransactions
from tests.sdk.wallets.test_remote import DIGEST, DOCUMENT, PRESENT
from tests.support.clef import running_clef
from tests.support.safe import Safes, encoded, is_valid, node_sends
from tests.support.wallets import CHAIN, a_patients_way, a_wallets_way, an_accredited_author, anvil_network, root

pytestmark = [pytest.mark.anvil, pytest.mark.safe]


@dataclass(frozen=True)
class Site:
    """MedRec and Safe's contracts on one chain.

    Attributes:
        net: MedRec.
        safes: Makes Safes.
    """

    net: medrec.Network
    safes: Safes

    def person(self) -> medrec.Wallet:
        """A wallet with ether."""
        wallet = medrec.Wallet.create()
        self.net.chain.request("anvil_setBalance", wallet.address, hex(10**18))
        return wallet

    def check(self, account: str, signature: bytes) -> bool:
        """What the SDK says of an account's signature over the document."""
        return is_signed_by(
            bytes.fromhex(account[2:]), DIGEST, signature, check_contract=ContractSignatures(self.net.chain)
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Anvil at London, as the contracts of the consortium's chains are compiled for."""
    with anvil_network(tmp_path_factory.mktemp("blocks"), "--hardfork", "london") as net:
        payer = medrec.Wallet.create()
        net.chain.request("anvil_setBalance", payer.address, hex(10**20))
        yield Site(net, Safes.deploy(net.chain, payer))


numbers = count()


# --- signatures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("owners", [1, 2, 3])
def test_a_safe_signs_typed_data(site: Site, owners: int) -> None:
    """The Safe itself, and the SDK's check, take its owners' signatures, sorted by their addresses."""
    wallets = [site.person() for _ in range(owners)]
    address = site.safes.make(*wallets)
    for given in (wallets, wallets[::-1]):
        safe = medrec.SafeWallet(site.net.chain, address.lower(), given)
        assert isinstance(safe, medrec.Signer)
        signature = safe.sign_typed_data(DOCUMENT)
        assert len(signature) == owners * SIGNATURE_SIZE
        assert is_valid(site.net.chain, address, DIGEST, signature)
        assert site.check(address, signature)


def test_as_many_owners_sign_as_the_threshold_says(site: Site) -> None:
    """Of three owners the first two that are given, where two are enough."""
    wallets = [site.person() for _ in range(3)]
    address = site.safes.make(*wallets, threshold=2)
    signature = medrec.SafeWallet(site.net.chain, address, wallets[1:]).sign_typed_data(DOCUMENT)
    assert len(signature) == 2 * SIGNATURE_SIZE
    assert site.check(address, signature)


def test_one_of_two_owners_is_refused(site: Site) -> None:
    """By the SDK before it asks anybody, by the Safe, and by the SDK's check."""
    first, second = site.person(), site.person()
    address = site.safes.make(first, second)
    with pytest.raises(OwnersMissing, match="2 owners have to sign"):
        medrec.SafeWallet(site.net.chain, address, [first])
    with pytest.raises(OwnersMissing):
        medrec.SafeWallet(site.net.chain, address, [first, first])
    whole = medrec.SafeWallet(site.net.chain, address, [first, second]).sign_typed_data(DOCUMENT)
    for part in (whole[:SIGNATURE_SIZE], whole[SIGNATURE_SIZE:], whole[:SIGNATURE_SIZE] * 2, b""):
        assert not is_valid(site.net.chain, address, DIGEST, part)
        assert not site.check(address, part)


def test_the_signature_is_of_this_safe_alone(site: Site) -> None:
    """Another Safe of the same owner does not take it, nor does the owner's own account, and not conversely."""
    owner = site.person()
    mine, other = site.safes.make(owner, number=next(numbers)), site.safes.make(owner, number=next(numbers) + 99)
    assert mine != other
    signature = medrec.SafeWallet(site.net.chain, mine, [owner]).sign_typed_data(DOCUMENT)
    assert site.check(mine, signature)
    for account in (other, owner.address):
        assert not is_valid(site.net.chain, account, DIGEST, signature)
        assert not site.check(account, signature)
    plain = owner.sign_typed_data(DOCUMENT)  # an owner's signature over the document is not the Safe's
    assert not site.check(mine, plain)


def test_owners_that_are_none_and_safes_that_are_none(site: Site) -> None:
    """A stranger's wallet, an account with a key, and another contract."""
    owner, stranger = site.person(), site.person()
    address = site.safes.make(owner)
    with pytest.raises(OwnersMissing, match=stranger.address):
        medrec.SafeWallet(site.net.chain, address, [owner, stranger])
    for other in (owner.address, site.net.address, site.safes.factory):
        with pytest.raises(InvalidInput, match="no Safe"):
            medrec.SafeWallet(site.net.chain, other, [owner])
    with pytest.raises(ChainUnavailable):  # which has no owners, and fails when it is asked for them
        medrec.SafeWallet(site.net.chain, site.safes.singleton, [owner])


def test_owners_that_were_changed_meanwhile(site: Site) -> None:
    """Whoever is an owner no longer is not asked, and what was signed before is the Safe's no longer."""
    first, second = site.person(), site.person()
    address = site.safes.make(first)
    safe = medrec.SafeWallet(site.net.chain, address, [first])
    signature = safe.sign_typed_data(DOCUMENT)
    sentinel = "0x0000000000000000000000000000000000000001"
    swap = encoded("swapOwner", ("address",) * 3, [sentinel, first.address, second.address])
    node_sends(site.net.chain, safe.carry(Call(address, swap)))
    with pytest.raises(OwnersMissing):
        safe.sign_typed_data(DOCUMENT)
    assert not site.check(address, signature)


def test_a_document_of_another_chain_is_not_signed(site: Site) -> None:
    """As by every wallet that signs for a person elsewhere."""
    safe = medrec.SafeWallet(site.net.chain, site.safes.make(owner := site.person()), [owner])
    with pytest.raises(ForeignChain):
        safe.sign_typed_data(DOCUMENT | {"domain": {**DOCUMENT["domain"], "chainId": 1}})


# --- transactions ---------------------------------------------------------------------------------


def test_a_safe_has_no_key_and_says_what_to_do(site: Site) -> None:
    """It signs no transaction, and deploys nothing."""
    safe = medrec.SafeWallet(site.net.chain, site.safes.make(owner := site.person()), [owner])
    with pytest.raises(SignsNoTransactions) as caught:
        safe.sign_transaction(PRESENT)
    assert "owners" in caught.value.remedy
    with pytest.raises(SignsNoTransactions):
        send(site.net.chain, safe, Call(None, b"\xfe"), gas=100_000)


@pytest.mark.parametrize("owners", [1, 2])
def test_a_patient_and_an_author_whose_wallet_is_a_safe(site: Site, owners: int) -> None:
    """It registers, grants, revokes, publishes a profile, signs statements; an owner sends it all, and pays."""
    wallets = [site.person() for _ in range(owners)]
    safe = medrec.SafeWallet(site.net.chain, site.safes.make(*wallets), wallets)
    a_wallets_way(site.net, safe)
    assert site.net.chain.balance(safe.address) == 0


def test_events_and_refusals_are_the_contracts_own(site: Site) -> None:
    """Through the Safe as without it: before anything is sent, and where something else came first."""
    safe = medrec.SafeWallet(site.net.chain, site.safes.make(owner := site.person()), [owner])
    contract = site.net.contract
    receipt = contract.send(safe, contract.publish_profile(b"\x07" * 32))
    assert receipt.only(ProfilePublished).account == safe.address
    contract.send(safe, contract.register())
    with pytest.raises(reverts.AlreadyRegistered) as early:
        contract.send(safe, contract.register())
    assert early.value.values == {"patient": safe.address}
    with pytest.raises(reverts.AlreadyRegistered) as late:
        contract.send(safe, contract.register(), gas=300_000)
    assert late.value.__notes__


def test_threads_send_for_one_safe(site: Site) -> None:
    """One after the other: each transaction is signed for the Safe's next number."""
    safe = medrec.SafeWallet(site.net.chain, site.safes.make(owner := site.person()), [owner])
    contract = site.net.contract
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda n: contract.send(safe, contract.publish_profile(bytes([n]) * 32)), range(1, 9)))
    assert len({receipt.transaction for receipt in sent}) == 8
    assert contract.profile_of(safe.address) in {bytes([n]) * 32 for n in range(1, 9)}


def test_another_account_may_pay(site: Site) -> None:
    """Owners need no ether then."""
    owner, payer = medrec.Wallet.create(), site.person()
    safe = medrec.SafeWallet(site.net.chain, site.safes.make(owner), [owner], payer=payer)
    site.net.contract.send(safe, site.net.contract.publish_profile(b"\x09" * 32))
    assert site.net.contract.profile_of(safe.address) == b"\x09" * 32
    assert site.net.chain.balance(owner.address) == 0


# --- the change to and from a Safe ----------------------------------------------------------------


def test_a_patient_hands_the_record_to_a_safe_and_on_from_it(site: Site) -> None:
    """The Safe consents by ERC-1271, which the contract asks; it decides from then on, and may hand the record on."""
    wallets = [site.person(), site.person()]
    alice = site.net.patient(medrec.Wallet.create()).register(compartments=["general"])
    doctor = an_accredited_author(site.net, medrec.Wallet.create())
    a_patients_way(site.net, alice, doctor)
    safe = medrec.SafeWallet(site.net.chain, site.safes.make(*wallets), wallets)
    kept = root()
    alice.change_root(kept, wallet=safe)
    assert site.net.contract.patient_of(alice.id).wallet == safe.address
    again = site.net.patient(safe, kept)
    assert again.id == alice.id
    a_patients_way(site.net, again, doctor)
    heir = site.person()  # what a Safe has is its owners', and is not sent along
    again.change_root(root(), wallet=heir)
    assert site.net.contract.patient_of(alice.id).wallet == heir.address
    a_patients_way(site.net, again, doctor)


def test_the_consent_of_another_safe_is_refused(site: Site) -> None:
    """By the SDK, which asks the account that is to decide, before anything is sent."""
    owner = site.person()
    mine, other = (site.safes.make(owner, number=next(numbers) + 500) for _ in range(2))
    safe = medrec.SafeWallet(site.net.chain, mine, [owner])
    with pytest.raises(InvalidInput, match="not one of"):
        sign(safe.sign_typed_data, bytes.fromhex(other[2:]), DOCUMENT, DIGEST, ContractSignatures(site.net.chain))


def test_the_contract_takes_the_whole_signature_of_that_safe_alone(site: Site) -> None:
    """One of two owners, another Safe of the same two, and the owners in the wrong order do not consent."""
    wallets = [site.person(), site.person()]
    mine, other = (site.safes.make(*wallets, number=next(numbers) + 900) for _ in range(2))
    alice, contract = site.person(), site.net.contract
    contract.send(alice, contract.register())
    patient = bytes.fromhex(alice.address[2:])
    place = Place(CHAIN, bytes.fromhex(contract.address[2:]), patient)
    change = WalletChange(place, bytes.fromhex(mine[2:]), 1, site.net.chain.now() + 3600)

    def call(signature: bytes) -> Call:
        return contract.change_wallet(alice.address, mine, change.decision, change.deadline, signature)

    def signed_by(address: str) -> bytes:
        return medrec.SafeWallet(site.net.chain, address, wallets).sign_typed_data(change.typed_data())

    whole = signed_by(mine)
    first, second = whole[:SIGNATURE_SIZE], whole[SIGNATURE_SIZE:]
    for wrong in (first, second, second + first, first + first, signed_by(other), b""):
        with pytest.raises(reverts.SignatureInvalid):
            contract.check(alice.address, call(wrong))
    contract.send(alice, call(whole))
    assert contract.patient_of(alice.address).wallet == mine


@pytest.mark.clef
def test_an_owner_may_be_with_clef(site: Site) -> None:
    """Wallets compose: Clef signs the Safe's message and its transactions."""
    key = b"\x17" * 32
    twin = medrec.Wallet.from_key(key)
    site.net.chain.request("anvil_setBalance", twin.address, hex(10**18))
    with running_clef(key, chain_id=CHAIN) as clef:
        owner = medrec.ClefWallet(clef.url, twin.address, chain_id=CHAIN)
        safe = medrec.SafeWallet(site.net.chain, site.safes.make(owner), [owner])
        assert site.check(safe.address, safe.sign_typed_data(DOCUMENT))
        site.net.contract.send(safe, site.net.contract.register())
    assert site.net.contract.patient_of(safe.address).is_registered
