"""``medrec keys change-root`` and ``patient hand-over`` through a relayer, and finishing what was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import Deployed
from medrec_py.chain.transactions import transfer_all
from medrec_py.crypto.signed_decisions import Bundle
from medrec_py.errors import BundleRefused, RelayerUnavailable, RelayTimeout
from medrec_py.network import Network
from medrec_py.relayer import RelayerClient
from medrec_py.storage import open_store
from medrec_py.wallet import Wallet
from tests.sdk.cli.conftest import Shell
from tests.sdk.cli.test_json import promised
from tests.support.mail import PostRoom, post_room

pytestmark = pytest.mark.slow


@pytest.fixture
def relayed(world: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostRoom]:
    """A relayer that is set for everybody, and a record of the patient's."""
    (file,) = (world.home / "deployments").glob("*.json")
    chain = world.there().chain
    net = Network(chain, MedRecContract(chain, Deployed.read(file).address), open_store(str(tmp_path / "blocks")))
    Path("note").write_bytes(b"note")
    world.ask("record add note --compartment general")
    folder = tmp_path / "relayer"
    folder.mkdir()
    with post_room(folder, net) as room:
        monkeypatch.setenv("MEDREC_RELAYER", room.url)
        yield room


def titles(shell: Shell, profile: str = "default") -> list[str | None]:
    return [line["title"] for line in shell.ask(f"--profile {profile} record list")["records"]]


def folder(shell: Shell) -> list[str]:
    """What there is of identities in the profile's folder."""
    names = (path.name.partition("-")[0] for path in (shell.home / "profiles" / "default").iterdir())
    return sorted(name for name in names if name in {"identity", "successor", "given", "replaced"})


def empty(shell: Shell) -> None:
    """Leave the patient without ether."""
    there = shell.there()
    transfer_all(there.chain, Wallet.from_phrase(there.phrases["default"]), Wallet.create().address)


def stop_after(carried: int, patch: pytest.MonkeyPatch, error: Exception) -> None:
    """The relayer takes so many bundles, and then there is an error."""
    carry, left = RelayerClient.carry, [carried]

    def stopping(client: RelayerClient, bundle: Bundle) -> str:
        if not left[0]:
            raise error
        left[0] -= 1
        return carry(client, bundle)

    patch.setattr(RelayerClient, "carry", stopping)


def test_a_new_phrase_takes_no_ether(world: Shell, relayed: PostRoom) -> None:
    """Neither wallet sends anything; the ether that the old one has is all that is left to it to send."""
    chain, old = world.there().chain, world.address()
    empty(world)
    before = chain.transaction_count(old)
    changed = world.ask("keys change-root --light-kdf")
    assert set(changed) == promised("keys change-root")
    assert titles(world) == ["note"]
    world.ask("permission grant {hospital} --append general --until 30d")
    assert chain.transaction_count(old) == before
    assert chain.transaction_count(changed["wallet"]) == chain.balance(changed["wallet"]) == 0
    assert folder(world) == ["identity"]


@pytest.mark.parametrize(
    ("carried", "error"),
    [
        (0, RelayerUnavailable("gone")),
        (0, BundleRefused("no")),
        (1, RelayTimeout("not yet", "id")),
        (1, OSError("no disk")),
    ],
)
def test_what_the_relayer_leaves_off_is_finished(
    world: Shell, relayed: PostRoom, monkeypatch: pytest.MonkeyPatch, carried: int, error: Exception
) -> None:
    """Once the new wallet decides, `finish` does the rest; before, it sets the new keys aside."""
    empty(world)
    with monkeypatch.context() as patch:
        stop_after(carried, patch, error)
        stopped = world.type("keys change-root --light-kdf")
    assert stopped.code != 0
    assert "the new phrase, should it be finished:" in stopped.err  # a relayer's refusal is no more than its word
    assert folder(world) == ["identity", "successor"]
    finished = world.ask("keys finish")
    assert finished["finished"] is (carried > 0)
    assert titles(world) == ["note"]
    world.ask("patient rotate")


def test_what_was_carried_after_it_was_set_aside(
    world: Shell, relayed: PostRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The profile says so before anything else, and takes the new keys up."""
    empty(world)
    with monkeypatch.context() as patch:
        stop_after(0, patch, RelayTimeout("not yet", "id"))
        assert world.fail("keys change-root --light-kdf")[1]["type"] == "RelayTimeout"
    assert world.ask("keys finish") == {"finished": False}
    (unsent,) = (world.home / "profiles" / "default" / "unsent").glob("*.json")
    world.ask(f"--profile hospital relay send {unsent}")
    refused = world.type("patient rotate")
    assert refused.code != 0
    assert "medrec keys finish" in refused.err
    assert world.ask("keys finish")["finished"]
    assert titles(world) == ["note"]
    assert folder(world) == ["identity"]


def test_with_both_phrases_and_no_device(world: Shell, relayed: PostRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device broke in between; what was noted on paper is enough."""
    with monkeypatch.context() as patch:
        stop_after(1, patch, RelayerUnavailable("gone"))
        stopped = world.type("keys change-root --light-kdf")
    new = stopped.err.partition("should it be finished:")[2].split()[:24]
    Path("old").write_text(world.there().phrases["default"])
    Path("new").write_text(" ".join(new))
    phone = world.ask("--profile phone init --light-kdf --phrase-file new")["address"]
    code, error = world.fail("--profile phone patient rotate")
    assert (code, error["type"], "keys finish" in error["remedy"]) == (8, "RootSecretReplaced", True)
    finished = world.ask("--profile phone keys finish --old-phrase-file old")
    assert (finished["patient"], finished["wallet"]) == (world.address(), phone)
    assert titles(world, "phone") == ["note"]
    world.ask("--profile phone patient rotate")


def interrupted(world: Shell, monkeypatch: pytest.MonkeyPatch, carried: int) -> None:
    """A change of the phrase stops after so many bundles; both phrases are in files."""
    with monkeypatch.context() as patch:
        stop_after(carried, patch, RelayerUnavailable("gone"))
        stopped = world.type("keys change-root --light-kdf")
    Path("old").write_text(world.there().phrases["default"])
    Path("new").write_text(" ".join(stopped.err.partition("should it be finished:")[2].split()[:24]))


def refused(world: Shell, line: str, why: str) -> None:
    """It finishes nothing, says why, and has nobody destroy a phrase."""
    result = world.type(line)
    assert (result.code, why in result.err) == (2, True), result
    assert "Destroy" not in result.out


def test_phrases_that_were_mixed_up(world: Shell, relayed: PostRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the chain was not told, the old phrase is the only one that counts: nobody is told to destroy it."""
    interrupted(world, monkeypatch, 0)
    Path("wrong").write_text(world.there().phrases["stranger"])
    for profile, file in (("phone", "old"), ("tablet", "new")):
        world.ask(f"--profile {profile} init --light-kdf --phrase-file {file}")
    refused(world, "keys finish --old-phrase-file old", "this profile's own phrase")
    refused(world, "--profile phone keys finish --old-phrase-file old", "this profile's own phrase")
    refused(world, "--profile phone keys finish --old-phrase-file new", "not the root secret")
    refused(world, "--profile phone keys finish --old-phrase-file nowhere", "cannot be read")
    refused(world, "--profile tablet keys finish --old-phrase-file old", "decides for no patient")
    world.ask("--profile tablet patient register")  # a mistake: a patient of its own
    refused(world, "--profile tablet keys finish --old-phrase-file old", "still decides for")
    refused(world, "--profile tablet keys finish --old-phrase-file wrong", "not the root secret")
    assert world.ask("keys finish") == {"finished": False}
    assert world.ask("patient show")["patient"] == world.address()
    assert titles(world) == ["note"]


def test_a_phrase_that_never_opened_the_record(
    world: Shell, relayed: PostRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new wallet decides, and the old secret is still the one that opens: another phrase goes on with nothing."""
    interrupted(world, monkeypatch, 1)
    Path("wrong").write_text(world.there().phrases["stranger"])
    world.ask("--profile phone init --light-kdf --phrase-file new")
    refused(world, "--profile phone keys finish --old-phrase-file wrong", "not the root secret")
    nothing = world.type("--profile phone keys finish")
    assert (nothing.code, "--old-phrase-file" in nothing.err) == (8, True)
    world.ask("--profile phone keys finish --old-phrase-file old")
    assert titles(world, "phone") == ["note"]


def test_the_ether_of_the_old_wallet_comes_along(
    world: Shell, relayed: PostRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on another device, and where the new wallet decides for a newborn as well."""
    interrupted(world, monkeypatch, 1)
    chain = world.there().chain
    phone = world.ask("--profile phone init --light-kdf --phrase-file new")["address"]
    world.ask("--profile phone patient register --newborn")
    before = chain.balance(world.address())
    code, error = world.fail("--profile phone keys finish --old-phrase-file old")
    assert (code, "several" in error["message"]) == (2, True)
    world.ask(f"--profile phone keys finish --old-phrase-file old --patient {world.address()}")
    assert chain.balance(world.address()) < before // 2 < chain.balance(phone)


def test_changed_again_on_another_device(world: Shell, relayed: PostRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third wallet decides: the first device calls neither of its phrases the right one, and keeps both."""
    interrupted(world, monkeypatch, 1)
    world.ask("--profile phone init --light-kdf --phrase-file new")
    world.ask("--profile phone keys finish --old-phrase-file old")
    world.ask("--profile phone keys change-root --light-kdf")
    refused(world, "keys finish", "keep both phrases")
    assert folder(world) == ["identity", "successor"]


def test_a_child_of_the_old_wallet_keeps_its_phrase(
    world: Shell, relayed: PostRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registered in between: the old identity is not removed while it decides for somebody."""
    interrupted(world, monkeypatch, 1)
    child = world.ask("patient register --newborn")["patient"]
    refused(world, "keys finish", child)
    assert world.ask("patient show", "--patient", child)["patient"] == child
    world.newcomer("grown")
    world.ask("patient hand-over --to grown", "--patient", child)
    assert world.ask("keys finish")["finished"]


def test_a_child_is_handed_over_without_ether(world: Shell, relayed: PostRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted, it goes on when it is typed again."""
    child = world.ask("patient register --newborn")["patient"]
    world.ask("--profile grown init --light-kdf")
    empty(world)
    line = f"patient hand-over --patient {child} --to grown"
    with monkeypatch.context() as patch:
        stop_after(1, patch, RelayerUnavailable("gone"))
        assert world.fail(line)[1]["type"] == "RelayerUnavailable"
    assert world.ask("patient show")["decides_for"] == []  # and yet the parent's phrase is needed
    refused(world, "keys change-root --light-kdf", "hand-over` again")
    Path("parent").write_text(world.there().phrases["default"])
    refused(world, "--profile grown keys finish --old-phrase-file parent", "hand-over` again")
    handed = world.ask(line)
    assert set(handed) == promised("patient hand-over")
    assert world.ask("--profile grown patient show")["patient"] == child
    world.ask(f"--profile grown patient rotate --patient {child}")
    world.ask("keys change-root --light-kdf")
