"""What agents get from their organisation's key service, and what they do not."""

from __future__ import annotations

from tests.sdk.keyservice.conftest import House


def test_a_doctor_reads_and_appends_without_any_key_of_the_hospital(house: House) -> None:
    """The record travels to the doctor and back, and the hospital's key stays where it is."""
    appended = house.chart().append(b"pulse 62", compartment="general", title="pulse")
    record = house.chart().read(appended)
    assert (record.read(), record.title, record.on_behalf_of) == (b"pulse 62", "pulse", house.people.hospital.address)
    assert [line.outcome for line in house.lines()] == ["granted", "granted"]
