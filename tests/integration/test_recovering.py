"""Guardians hand a patient to a new wallet, and nobody of them has ether: through a relayer as it is run, on Anvil."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from web3 import HTTPProvider
from web3.types import RPCEndpoint

import medrec_py as medrec
from tests.integration.test_without_ether import World, world
from tests.support.wallets import MONTH

__all__ = ["world"]

pytestmark = [pytest.mark.anvil, pytest.mark.slow]

HOUR = timedelta(hours=1)


def test_a_lost_wallet_without_ether(world: World, tmp_path: Path) -> None:
    """Set, begun, stopped, begun again and completed by what was signed alone; then the new wallet decides."""
    guardians = [medrec.Wallet.create() for _ in range(3)]
    with world.device(tmp_path / "lost") as lost, world.device(tmp_path / "new") as net:
        alice = lost.patient(medrec.Wallet.create()).register(compartments=["general"])
        alice.set_guardians(2, [guardian.address for guardian in guardians], delay=HOUR)
        alice.grant(world.doctor, read=["general"], expires=MONTH, history=True)
        wallet = medrec.Wallet.create()
        stopped = _begin(net, alice, wallet, guardians[:2])
        alice.stop_recovery()
        assert stopped.under_way is None

        recovery = _begin(net, alice, wallet, guardians[1:])
        provider = HTTPProvider(world.node)
        for method, arguments in (("evm_increaseTime", [3600]), ("evm_mine", [])):
            provider.make_request(RPCEndpoint(method), arguments)
        recovery.complete()
        assert recovery.is_complete
        found = net.patient(wallet, alice._root, patient=alice.id)
        assert found.revoke(world.doctor).rotated
        with pytest.raises(medrec.NotPermitted):
            alice.revoke(world.doctor)
        _end(found, net, old=alice)
        assert all(world.spent_nothing(one.address) for one in (alice._wallet, wallet, found._wallet, *guardians))


def _end(found: medrec.Patient, net: medrec.Network, *, old: medrec.Patient) -> None:
    """Whoever helped knows the secret: the new wallet takes a new phrase, which alone opens and decides everything."""
    number = found.append(b"kept", compartment="general", title="kept").number
    heir = medrec.Wallet.create()
    found.change_root(wallet=heir)
    device = net.patient(medrec.Wallet.from_phrase(heir.phrase or ""))
    assert device.id == found.id
    assert device.read(number).read() == b"kept"
    device.rotate()
    assert device.guardians().present == found.guardians().present
    with pytest.raises(medrec.errors.RootSecretReplaced):
        old.compartments()


def _begin(
    net: medrec.Network, alice: medrec.Patient, wallet: medrec.Wallet, guardians: list[medrec.Wallet]
) -> medrec.WalletRecovery:
    recovery = net.wallet_recovery(alice.id, wallet, alice._root)
    answers = [net.approve_recovery(one, recovery.request, recovery.fingerprint) for one in guardians]
    recovery.begin(recovery.receive(answer) for answer in answers)
    assert recovery.under_way is not None
    return recovery
