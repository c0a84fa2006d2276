"""A module of keys in an encrypted file."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medrec_py.crypto.keys import Deployment, KemSeed, RootSecret
from medrec_py.crypto.suites import FIRST_SUITE, by_number
from medrec_py.errors import FormatError, InvalidInput, KeyModuleError, KeysMissing, MedRecError, WrongKey, WrongPin
from medrec_py.keyfile import KeyFile
from medrec_py.keymodule import Hpke, KeyId, KeySession, ModuleKey, RootModule

HERE = Deployment(31337, bytes(range(20)))
HOSPITAL = bytes(range(20, 40))
SUITE = FIRST_SUITE
ID = KeyId(SUITE, HERE, HOSPITAL)
SEEDS = {(SUITE, number): KemSeed(bytes([number]) * 32) for number in (1, 2)}
PIN = "correct horse"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def file(path: Path) -> KeyFile:
    """Keys 1 and 2."""
    return KeyFile.create(path, HERE, HOSPITAL, SEEDS, PIN, light=True)


def sealed_to(number: int, info: bytes = b"info") -> tuple[Hpke, bytes]:
    sealed = by_number(FIRST_SUITE).seal(by_number(FIRST_SUITE).public_key(SEEDS[SUITE, number]), info, b"text")
    return Hpke(by_number(FIRST_SUITE), info, sealed.enc), sealed.ciphertext


def test_keys_are_found_newest_first_and_open_what_was_sealed_to_them(file: KeyFile) -> None:
    """Each number opens its own, and no other."""
    session: KeySession = file.login(PIN)
    keys = session.find(ID)
    assert [key.number for key in keys] == [2, 1]
    assert [key.label for key in keys] == ["medrec profile key 2", "medrec profile key 1"]
    for key in keys:
        assert session.public_key(key) == by_number(FIRST_SUITE).public_key(SEEDS[SUITE, key.number])
        mechanism, ciphertext = sealed_to(key.number)
        assert session.decrypt(key, mechanism, ciphertext) == b"text"
        for other in (mechanism, sealed_to(key.number, b"other")[0]):
            with pytest.raises(WrongKey):
                session.decrypt(ModuleKey(ID, 3 - key.number), other, ciphertext)


def test_a_root_secret_in_this_process_is_a_module_too() -> None:
    """The same interface over keys that are derived."""
    root = RootSecret(bytes(32))
    session: KeySession = RootModule(root, 2)
    newest, older = session.find(ID)
    assert (newest.number, older.number) == (2, 1)
    sealed = by_number(FIRST_SUITE).seal(session.public_key(older), b"info", b"text")
    assert session.decrypt(older, Hpke(by_number(FIRST_SUITE), b"info", sealed.enc), sealed.ciphertext) == b"text"
    assert session.public_key(older) == by_number(FIRST_SUITE).public_key(root.profile_key(SUITE, HERE, HOSPITAL, 1))
    session.close()


def test_keys_of_another_account_deployment_or_suite_are_not_there(file: KeyFile) -> None:
    """Whatever number they have."""
    session = file.login(PIN)
    for other in (
        KeyId(SUITE, HERE, bytes(20)),
        KeyId(SUITE, Deployment(1, HERE.contract), HOSPITAL),
        KeyId(99, HERE, HOSPITAL),
    ):
        assert session.find(other) == []
        assert other.octets != ID.octets
        with pytest.raises((KeysMissing, FormatError)):
            session.public_key(ModuleKey(other, 1))
    with pytest.raises(KeysMissing, match="key 3"):
        session.public_key(ModuleKey(ID, 3))


def test_a_wrong_pin(file: KeyFile) -> None:
    """Typed, and nothing is opened."""
    for pin in ("", "correct horsf", PIN + " "):
        with pytest.raises(WrongPin):
            file.login(pin)
    with pytest.raises(WrongPin):
        file.add({(SUITE, 3): KemSeed.generate()}, "wrong")
    assert [key.number for key in KeyFile.read(file.path).keys] == [1, 2]


def test_public_halves_are_there_without_the_pin(file: KeyFile) -> None:
    """So that a profile can be published by who has the wallet and not the PIN."""
    there = KeyFile.read(file.path)
    assert (there.newest(FIRST_SUITE).number, there.newest(FIRST_SUITE).octets) == (
        2,
        by_number(FIRST_SUITE).public_key(SEEDS[SUITE, 2]),
    )
    assert (there.account, there.deployment) == (HOSPITAL, HERE)


def test_nothing_secret_stands_in_the_file_or_in_what_is_shown(file: KeyFile) -> None:
    """Neither seeds nor PIN."""
    octets = file.path.read_bytes()
    shown = repr(file) + repr(file.login(PIN)) + repr(KeyFile.read(file.path).keys)
    for seed in SEEDS.values():
        assert seed.expose() not in octets
        assert seed.expose().hex().encode() not in octets
        assert seed.expose().hex() not in shown
    assert PIN not in shown
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_added_and_the_older_ones_stay(file: KeyFile) -> None:
    """A renewed key is one more; a number is never given twice."""
    newer = KemSeed.generate()
    renewed = file.add({(SUITE, 3): newer}, PIN)
    assert [key.number for key in renewed.login(PIN).find(ID)] == [3, 2, 1]
    assert renewed.newest(FIRST_SUITE).octets == by_number(FIRST_SUITE).public_key(newer)
    with pytest.raises(InvalidInput, match="key 3"):
        renewed.add({(SUITE, 3): KemSeed.generate()}, PIN)
    assert list(file.path.parent.iterdir()) == [file.path]  # nothing is left over


def test_keys_are_never_overwritten(file: KeyFile) -> None:
    """Whoever makes a module where one is, keeps the old one."""
    before = file.path.read_bytes()
    with pytest.raises(InvalidInput, match="never overwritten"):
        KeyFile.create(file.path, HERE, HOSPITAL, SEEDS, PIN, light=True)
    assert file.path.read_bytes() == before
    assert list(file.path.parent.iterdir()) == [file.path]


def test_a_module_needs_keys_and_a_pin(path: Path) -> None:
    """An empty PIN protects nothing."""
    for seeds, pin in ((SEEDS, ""), ({}, PIN)):
        with pytest.raises(InvalidInput):
            KeyFile.create(path, HERE, HOSPITAL, seeds, pin, light=True)
    with pytest.raises(KeyModuleError):
        KeyFile.create(path / "nowhere", HERE, HOSPITAL, SEEDS, PIN, light=True)
    with pytest.raises(KeyModuleError):
        KeyFile.read(path)
    assert not path.exists()


@pytest.mark.slow
def test_the_seal_of_the_file_is_as_strong_as_a_keystores(path: Path) -> None:
    """scrypt with n = 2^18 unless it is for tests."""
    KeyFile.create(path, HERE, HOSPITAL, SEEDS, PIN)
    assert json.loads(path.read_text())["scrypt"]["n"] == 1 << 18
    assert KeyFile.read(path).login(PIN).find(ID)


def test_the_heading_is_bound_to_the_keys(file: KeyFile) -> None:
    """Whoever changes what the file says of its keys (a public half, whose they are) is found out with the PIN."""
    right = json.loads(file.path.read_text())
    stranger = by_number(FIRST_SUITE).public_key(KemSeed.generate()).hex()
    for change in (
        {"account": "0x" + "00" * 20},
        {"chain": 1},
        {"keys": [right["keys"][0], {**right["keys"][1], "key": stranger}]},
        {"keys": right["keys"][:1]},
        {"more": 1},
        {"scrypt": {**right["scrypt"], "salt": "00" * 32}},
        {"nonce": "00" * 12},
        {"ciphertext": right["ciphertext"][:-2] + "00"},
    ):
        file.path.write_text(json.dumps({**right, **change}))
        with pytest.raises(WrongPin):
            KeyFile.read(file.path).login(PIN)


def test_costs_that_are_meant_to_stop_us_are_refused(file: KeyFile) -> None:
    """A file that asks for more memory than there is, or for next to none."""
    right = json.loads(file.path.read_text())
    for change in ({"n": 1 << 40}, {"n": 2}, {"r": 1 << 20}, {"p": 1 << 20}, {"n": "x"}):
        file.path.write_text(json.dumps({**right, "scrypt": {**right["scrypt"], **change}}))
        with pytest.raises(FormatError):
            KeyFile.read(file.path).login(PIN)


def test_after_logging_out_there_are_no_keys(file: KeyFile) -> None:
    """Closing twice is as once."""
    session = file.login(PIN)
    session.close()
    session.close()
    assert session.find(ID) == []
    mechanism, ciphertext = sealed_to(1)
    with pytest.raises(KeysMissing):
        session.decrypt(ModuleKey(ID, 1), mechanism, ciphertext)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_the_file_holds_the_error_is_typed(file: KeyFile, data: st.DataObject) -> None:
    """Any bytes, any JSON, and any member of the right file changed: one of our errors, or a heading."""
    right = json.loads(file.path.read_text())
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )
    octets = data.draw(
        st.binary(max_size=200)
        | anything.map(lambda value: json.dumps(value).encode())
        | st.tuples(st.sampled_from(sorted(right)), anything).map(
            lambda pair: json.dumps({**right, pair[0]: pair[1]}).encode()
        )
    )
    other = file.path.with_name("other.json")
    other.write_bytes(octets)
    with suppress(MedRecError):
        KeyFile.read(other)
