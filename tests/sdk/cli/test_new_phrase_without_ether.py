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
    in_doubt = not isinstance(error, BundleRefused)
    assert ("the new phrase, should it be finished:" in stopped.err) is in_doubt
    assert folder(world) == (["identity", "successor"] if in_doubt else ["given", "identity"])
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


def test_the_old_phrase_is_of_no_use_where_the_chain_was_not_told(world: Shell, relayed: PostRoom) -> None:
    """A new phrase that decides for nobody has nothing to finish."""
    world.ask("--profile phone init --light-kdf")
    Path("old").write_text(world.there().phrases["default"])
    code, error = world.fail("--profile phone keys finish --old-phrase-file old")
    assert (code, "the old phrase is the right one" in error["message"]) == (2, True)
    assert world.fail("--profile phone keys finish --old-phrase-file nowhere")[0] == 2


def test_a_child_is_handed_over_without_ether(world: Shell, relayed: PostRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted, it goes on when it is typed again."""
    child = world.ask("patient register --newborn")["patient"]
    world.ask("--profile grown init --light-kdf")
    empty(world)
    line = f"patient hand-over --patient {child} --to grown"
    with monkeypatch.context() as patch:
        stop_after(1, patch, RelayerUnavailable("gone"))
        assert world.fail(line)[1]["type"] == "RelayerUnavailable"
    handed = world.ask(line)
    assert set(handed) == promised("patient hand-over")
    assert world.ask("--profile grown patient show")["patient"] == child
    world.ask(f"--profile grown patient rotate --patient {child}")
