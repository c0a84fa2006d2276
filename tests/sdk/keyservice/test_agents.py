"""What agents get from their organisation's key service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.types import address_bytes
from medrec_py.crypto.keys import KemSeed
from medrec_py.crypto.suites import FIRST_SUITE
from medrec_py.errors import InInbox, KeysMissing
from medrec_py.keyservice import faults
from medrec_py.keyservice.account import Reading
from medrec_py.keyservice.server import Server
from medrec_py.purposes import Purpose
from tests.sdk.keyservice.conftest import PIN, House, key_file
from tests.sdk.people import MONTH


def test_a_doctor_reads_and_appends_without_any_key_of_the_hospital(house: House) -> None:
    """The record travels to the doctor and back, and the hospital's key stays where it is."""
    appended = house.chart().append(b"pulse 62", compartment="general", title="pulse")
    record = house.chart().read(appended)
    assert (record.read(), record.title, record.on_behalf_of) == (b"pulse 62", "pulse", house.people.hospital.address)
    first, second = house.lines()
    assert (first.what, first.entry, first.outcome) == ("names", 0, "granted")
    assert (second.what, second.entry, second.purpose, second.outcome) == (
        "data-key",
        record.number,
        "TREAT",
        "granted",
    )
    assert {first.agent, second.agent} == {house.people.doctor.address}
    assert {first.patient, second.patient} == {house.people.alice.id}


def test_a_list_asks_for_each_record_and_for_none_of_another_compartment(house: House) -> None:
    """Record by record: what a list shows is in the account, and what it may not show was never asked for."""
    house.people.alice.append(b"secret", compartment="psychiatry", title="secret")
    numbers = [house.chart().append(b"x", compartment="general", title=f"note {n}").number for n in range(3)]
    before = len(house.lines())
    assert [record.title for record in house.chart().records()] == ["note 0", "note 1", "note 2"]
    assert [line.entry for line in house.lines()[before:]] == numbers


def test_the_names_are_for_whoever_may_append_too(empty_house: House) -> None:
    """A laboratory's agent that may only append learns the compartments' names, and opens nothing."""
    house = empty_house
    house.people.grant(read=[], append=["general"])
    appended = house.chart().append(b"Hb 13.9", compartment="general", title="blood count")
    with pytest.raises(medrec.CompartmentNotGranted):
        house.client().data_key(*house.whole(appended.number), Purpose.TREAT)


def test_the_principal_itself_may_ask(house: House) -> None:
    """The hospital's own wallet needs no agent's mandate."""
    appended = house.chart().append(b"x", compartment="general", title="x")
    assert house.chart(house.people.hospital._wallet).read(appended).read() == b"x"


def test_a_renewed_key_opens_the_old_seals_too(empty_house: House) -> None:
    """Grants made to the key before it, and to it, open: the module has both."""
    house = empty_house
    house.people.grant()
    first = house.chart().append(b"first", compartment="general", title="first")
    file = medrec.KeyFile.read(house.account.with_name("keys.json"))
    renewed = file.add({(FIRST_SUITE, 3): KemSeed.generate()}, PIN)
    house.people.hospital.publish_key(renewed.newest(FIRST_SUITE).number, renewed.newest(FIRST_SUITE).octets)
    house.people.alice.grant(house.people.hospital, read=["general"], append=["general"], expires=2 * MONTH)
    house.restart(renewed.login(PIN))
    second = house.chart().append(b"second", compartment="general", title="second")
    assert [house.chart().read(n).read() for n in (first, second)] == [b"first", b"second"]


def test_an_organisation_publishes_a_key_that_it_does_not_hold(empty_house: House) -> None:
    """A wallet and a public half are enough: the profile verifies, and its seals open in the module alone."""
    house = empty_house
    people = house.people
    file = key_file(people, house.account.with_name("others.json"))
    people.net.account(people.hospital._wallet).publish_key(7, file.newest(FIRST_SUITE).octets, "Moved")
    profile = people.net.profile(people.hospital)
    assert (profile.number, profile.public_key, profile.name) == (7, file.newest(FIRST_SUITE).octets, "Moved")
    people.grant()
    with pytest.raises(KeysMissing):
        people.hospital.chart(people.alice).compartments()  # its own root secret does not open them
    house.restart(file.login(PIN))
    assert "general" in house.chart().compartments().values()


def test_a_record_that_waits_in_the_inbox_is_named_as_such(house: House) -> None:
    """As with the keys at hand, the error says that the patient's next rotation helps."""
    people = house.people
    clinic = people.clinic()
    people.alice.grant(clinic, read=["general"], expires=MONTH)
    people.net.registrar().suspend(clinic)
    appended = house.chart().append(b"x", compartment="general", title="x")
    assert appended.in_inbox
    with pytest.raises(InInbox, match="inbox"):
        house.chart().read(appended)
    assert house.lines()[-1].outcome == "InInbox"
    people.alice.rotate()
    assert house.chart().read(appended.number).read() == b"x"  # moved meanwhile


@pytest.mark.slow
def test_two_hundred_requests_from_eight_threads(house: House) -> None:
    """All are answered, each with its own record's key, and the account has a line for each."""
    contents = {
        house.chart().append(bytes([n]), compartment="general", title=str(n)).number: bytes([n]) for n in range(8)
    }
    client, before = house.client(), len(house.lines())

    def ask(turn: int) -> bool:
        number = list(contents)[turn % 8]
        consent, envelope, entry = house.whole(number)
        data_key = client.data_key(consent, envelope, entry, Purpose.TREAT)
        return data_key == house.people.alice._keys.data_key(consent, envelope)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(200)))
    lines = house.lines()[before:]
    assert len(lines) == 200
    assert {line.entry for line in lines} == set(contents)


def test_the_account_holds_no_secret_title_or_name(house: House) -> None:
    """Who asked for which record, when and why: neither keys nor what the record is about."""
    appended = house.chart().append(b"a very rare disease", compartment="general", title="rare disease")
    house.chart().read(appended)
    consent, envelope, entry = house.whole(appended.number)
    data_key = house.client().data_key(consent, envelope, entry, Purpose.TREAT).expose()
    octets = house.account.read_bytes()
    for secret in (b"rare", b"general", data_key, data_key.hex().encode(), PIN.encode(), b"St Mary"):
        assert secret not in octets
    assert house.account.stat().st_mode & 0o777 == 0o600


def test_a_stop_answers_what_was_begun(house: House) -> None:
    """Requests in the middle when the service stops are answered, and the account has them."""
    number = house.chart().append(b"x", compartment="general", title="x").number
    whole, client = house.whole(number), house.client()
    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(client.data_key, *whole, Purpose.TREAT) for _ in range(8)]
        asking[0].result()
        house.server.stop()
    answered = [one for one in asking if one.exception() is None]
    assert all(isinstance(one.exception(), medrec.MedRecError | None) for one in asking)
    reading = Reading(house.account)
    granted = [line for line in reading if line.entry == number and line.outcome == "granted"]
    assert len(granted) >= len(answered)


def test_every_error_that_may_cross_comes_back_as_itself(house: House) -> None:
    """As typed as with the keys at hand; one that nobody knows becomes the service's own."""
    asked = house.request(house.people.alice.append(b"x", compartment="general", title="x").number)
    for kind in faults._KINDS:
        status, answer = faults.encode(kind("why"))
        back = faults.decode(answer, asked)
        assert (type(back), status >= 400) == (kind, True)
    assert type(faults.decode(faults.encode(medrec.MedRecError("secret"))[1], asked)).__name__ == "KeyServiceError"
    for rubbish in (b"", b"[]", b'{"error": 1}', b'{"error": {"type": "SystemExit", "message": ""}}', b"[" * 9999):
        assert type(faults.decode(rubbish, asked)).__name__ == "KeyServiceUnavailable"


def test_an_address_that_cannot_be_trusted_is_refused(house: House) -> None:
    """Over plain http anybody on the way may answer for the service, so that is for this machine alone."""
    wallet = house.people.doctor._wallet
    for address in ("http://keys.example.org", "keys.sock", "unix:keys.sock", "ftp://127.0.0.1", "https://u:p@h/", ""):
        with pytest.raises(medrec.MedRecError, match=r"key service|socket"):
            medrec.KeyServiceClient(address, wallet, house.people.hospital)
    assert (
        address_bytes(house.people.hospital.address)
        == medrec.KeyServiceClient("http://127.0.0.1:1", wallet, house.people.hospital)._principal
    )


@pytest.mark.slow
def test_a_deployment_of_another_suite(tmp_path: Path) -> None:
    """Module, requests and answers follow the deployment's suite; its one-time keys are larger, and fit."""
    wallet, doctor, account = medrec.Wallet.create(), medrec.Wallet.create(), tmp_path / "account.jsonl"
    with medrec.local(suite=2) as net:
        hospital = net.organisation(wallet, publish=False)
        net.registrar().accredit(hospital)
        hospital.add_agent(doctor.address)
        seeds = {(2, 1): KemSeed.generate()}
        path, owner = tmp_path / "keys.json", address_bytes(wallet.address)
        file = medrec.KeyFile.create(path, net.deployment, owner, seeds, PIN, light=True)
        net.account(wallet).publish_key(1, file.newest(2).octets)
        alice = net.patient(medrec.Wallet.create()).register(compartments=["general"])
        alice.grant(hospital, read=["general"], append=["general"], expires=MONTH)
        with (
            closing(net.key_service(hospital, file.login(PIN), account)) as service,
            Server(service.handle, f"unix:{tmp_path}/keys.sock") as server,
            medrec.KeyServiceClient(server.address, doctor, hospital) as keys,
        ):
            chart = net.mandate(doctor, hospital, keys).chart(alice)
            assert chart.read(chart.append(b"x", compartment="general", title="x")).read() == b"x"
