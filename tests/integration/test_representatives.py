"""Mothers decide for their children through a relayer as it is run, on a real chain, and pay for no decision.

One as a representative, who published her key once at her own expense: there is no signed form of that. One as who
controls a newborn's record, and never has any ether.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import medrec_py as medrec
from tests.integration.test_without_ether import World
from tests.integration.test_without_ether import world as _world
from tests.support.wallets import MONTH, root

pytestmark = [pytest.mark.anvil, pytest.mark.slow]

world = _world


@pytest.fixture
def device(world: World, tmp_path: Path) -> Iterator[medrec.Network]:
    """A phone: its own folder for blocks, and the relayer's behind it."""
    with world.device(tmp_path / "device") as net:
        yield net


def test_a_representative(world: World, device: medrec.Network) -> None:
    """She is appointed, grants a paediatrician, revokes, rotates and resigns, and the keys follow."""
    child = device.patient(medrec.Wallet.create()).register(compartments=["general", "school"])
    mother = device.representative(world.site.person(1), child.id, root(), name="Mother")
    paid = world.site.chain.transaction_count(mother.address)
    child.appoint(mother, compartments=["general"], until=12 * MONTH)
    child.grant(world.doctor, append=["general"], expires=MONTH)
    before = world.doctor.chart(child.id).append(b"measles at three", compartment="general", title="note").number

    mother.grant(world.doctor, read=["general"], append=["general"], expires=MONTH, history=True)
    chart = world.doctor.chart(child.id)
    assert chart.read(before).read() == b"measles at three"
    number = chart.append(b"a cough", compartment="general", title="visit").number
    assert mother.chart().read(number).read() == child.read(number).read() == b"a cough"
    with pytest.raises(medrec.BeyondLimits):
        mother.grant(world.doctor, read=["general"], expires=24 * MONTH)

    assert mother.revoke(world.doctor).rotated
    with pytest.raises(medrec.PermissionRevoked):
        chart.append(b"too late", compartment="general", title="late")
    mother.rotate()
    mother.resign()
    authors = [line.by for line in child.decisions() if line.by_representative]
    assert set(authors) == {mother.address}
    assert len(authors) == 6  # the grant and the revocation with a keyring each, the rotation, the resignation
    child.rotate()
    assert child.read(number).read() == b"a cough"
    assert world.site.chain.transaction_count(mother.address) == paid
    assert world.spent_nothing(child.id)


def test_a_newborn(world: World, device: medrec.Network) -> None:
    """Registered by two signatures that travel together; the mother lets the doctor write, and reads it."""
    mother, newborn = medrec.Wallet.create(), medrec.Wallet.create()
    child = device.patient(mother, patient=newborn).register(identity=newborn)
    child.grant(world.doctor, read=["general"], append=["general"], expires=MONTH)
    number = world.doctor.chart(child.id).append(b"3,400 g", compartment="general", title="birth").number
    assert child.read(number).read() == b"3,400 g"
    assert device.patient(mother).id == newborn.address
    assert world.spent_nothing(mother.address)
    assert world.spent_nothing(newborn.address)
