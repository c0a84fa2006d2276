"""The account of a key service: what was altered, removed or put in shows, and nothing leaves without its line."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medrec_py.crypto.keys import Deployment
from medrec_py.errors import AccountAltered, AccountUnwritable, ConfigurationError
from medrec_py.keyservice.account import Account, Head, Line, Reading
from tests.sdk.keyservice.conftest import House

HERE = Deployment(1, bytes(20))
HOSPITAL = bytes(19) + b"\1"
AGENT = "0x" + 39 * "0" + "2"


def line(entry: int, asked: int = 100) -> Line:
    return Line(0, 100, AGENT, AGENT, "data-key", entry, "TREAT", "granted", asked, secrets.token_hex(32))


def opened(path: Path, since: int = 0) -> Account:
    return Account(path, HERE, HOSPITAL, 50, since)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of an account with five lines."""
    path = tmp_path / "account.jsonl"
    account = opened(path)
    for entry in range(1, 6):
        account.write(line(entry))
    account.close()
    return path


@pytest.fixture
def account(path: Path) -> Iterator[Account]:
    """The same, opened."""
    account = opened(path)
    yield account
    account.close()


def entries(path: Path, *noted: Head) -> list[int]:
    return [line.entry for line in Reading(path, noted)]


def test_what_was_written_is_there_in_order(path: Path) -> None:
    """With what the account is of, and its end."""
    reading = Reading(path)
    assert [(line.number, line.entry) for line in reading] == [(n, n) for n in range(1, 6)]
    assert (reading.heading["chain"], reading.head.lines, reading.unfinished) == (1, 5, 0)
    assert path.with_name("account.jsonl.head").read_text().strip() == str(reading.head)


def test_it_goes_on_where_it_ended(path: Path, account: Account) -> None:
    """After a stop."""
    account.write(line(6))
    assert entries(path) == [1, 2, 3, 4, 5, 6]


def removed(octets: bytes) -> bytes:
    lines = octets.splitlines(keepends=True)
    return b"".join(lines[:3] + lines[4:])


def swapped(octets: bytes) -> bytes:
    lines = octets.splitlines(keepends=True)
    return b"".join([*lines[:2], lines[3], lines[2], *lines[4:]])


def inserted(octets: bytes) -> bytes:
    lines = octets.splitlines(keepends=True)
    return b"".join([*lines[:3], lines[2], *lines[3:]])


TAMPERED: dict[str, Callable[[bytes], bytes]] = {
    "a line was removed": removed,
    "the first line was removed": lambda octets: b"".join(octets.splitlines(keepends=True)[i] for i in (0, 2, 3, 4, 5)),
    "the last line was removed": lambda octets: octets[: octets.rstrip().rindex(b"\n") + 1],
    "the last line was cut": lambda octets: octets[:-20],
    "all lines were removed": lambda octets: octets[: octets.index(b"\n") + 1],
    "nothing is left": lambda _: b"",
    "a line was altered": lambda octets: octets.replace(b'"entry":3', b'"entry":4'),
    "the last line was altered": lambda octets: octets.replace(b'"entry":5', b'"entry":4'),
    "an outcome was altered": lambda octets: octets.replace(b"granted", b"Revoked", 1),
    "the heading was altered": lambda octets: octets.replace(b'"since":50', b'"since":51'),
    "two lines were swapped": swapped,
    "a line was put in": inserted,
    "a member was put in": lambda octets: octets.replace(b'"entry":5', b'"entry":5,"more":1'),
    "bytes were put in": lambda octets: octets.replace(b"\n", b"\n\0", 1),
    "a line is endless": lambda octets: octets + b"x" * 10_000 + b"\n",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_file_that_was_tampered_with(path: Path, what: str) -> None:
    """Reading it says so, and no service goes on with it."""
    path.write_bytes(TAMPERED[what](path.read_bytes()))
    with pytest.raises(AccountAltered):
        entries(path)
    with pytest.raises(AccountAltered):
        opened(path)


def test_a_whole_new_account_shows_against_a_head_that_was_noted(path: Path) -> None:
    """Who may write to both files can write another history; a head that was noted elsewhere does not fit it."""
    reading = Reading(path)
    assert len(list(reading)) == 5
    noted = reading.head
    path.unlink()
    path.with_name("account.jsonl.head").unlink()
    forged = opened(path)
    for entry in range(1, 9):
        forged.write(line(entry))
    forged.close()
    assert entries(path) == list(range(1, 9))
    with pytest.raises(AccountAltered, match="line 5"):
        entries(path, noted)
    with pytest.raises(AccountAltered, match="had 100 once"):
        entries(path, Head(100, "0" * 64))


def test_a_line_that_was_never_finished_is_taken_back(path: Path) -> None:
    """After a loss of power in the middle of a line: nothing had left the service for it."""
    with path.open("ab") as file:
        file.write(b'{"number":6,"ti')
    reading = Reading(path)
    assert ([line.entry for line in reading], reading.unfinished) == ([1, 2, 3, 4, 5], 15)
    account = opened(path)
    account.write(line(6))
    account.close()
    assert entries(path) == [1, 2, 3, 4, 5, 6]


def test_a_head_that_is_behind_is_no_alarm(path: Path) -> None:
    """It is not flushed with each line, so after a loss of power it may be older than the lines."""
    beside = path.with_name("account.jsonl.head")
    older = beside.read_text()
    account = opened(path)
    account.write(line(6))
    account.close()
    beside.write_text(older)
    opened(path).close()
    assert entries(path) == [1, 2, 3, 4, 5, 6]


def test_the_head_grows_with_its_number(path: Path, account: Account) -> None:
    """From one digit to two, and nothing of the older one remains."""
    for entry in range(6, 13):
        account.write(line(entry))
    assert path.with_name("account.jsonl.head").read_text() == f"{account.head}\n"
    assert Head.parse(str(account.head)) == account.head


def test_two_services_do_not_keep_one_account(path: Path, account: Account) -> None:
    """The second is refused, until the first lets go."""
    with pytest.raises(ConfigurationError, match="another key service"):
        opened(path)
    account.close()
    account.close()
    opened(path).close()


def test_the_account_of_another_provider(path: Path) -> None:
    """A service does not go on with an account of somebody else's, or of another deployment."""
    for deployment, principal in ((HERE, bytes(20)), (Deployment(2, bytes(20)), HOSPITAL)):
        with pytest.raises(AccountAltered, match="another provider or deployment"):
            Account(path, deployment, principal, 50)


def test_somebody_else_writes_while_it_is_kept(path: Path, account: Account) -> None:
    """No line is added to a file that is not as it was left."""
    with path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(AccountAltered, match="somebody else"):
        account.write(line(6))


def test_another_file_is_put_in_its_place(path: Path, account: Account) -> None:
    """The lines would go where nobody looks."""
    path.rename(path.with_name("away"))
    with pytest.raises(AccountUnwritable):
        account.write(line(6))
    path.write_bytes(path.with_name("away").read_bytes())
    with pytest.raises(AccountAltered, match="somebody else"):
        account.write(line(6))


def test_a_full_disk(tmp_path: Path) -> None:
    """The device that is always full: the line is not there, and that is an error."""
    path = tmp_path / "account"
    path.symlink_to("/dev/full")
    with pytest.raises(AccountUnwritable, match="No space left"):
        opened(path)


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    """A folder that is not there, or a folder in place of a file."""
    for path in (tmp_path / "nowhere" / "account", tmp_path):
        with pytest.raises(ConfigurationError):
            opened(path)
        with pytest.raises(ConfigurationError):
            Reading(path)


def test_requests_since_then_are_remembered(path: Path, account: Account) -> None:
    """Those that a restarted service must not take again, by the time that they say they were made."""
    account.write(line(6, asked=1000))
    account.close()
    again = opened(path, since=900)
    again.close()
    assert [line.entry for line in again.recent] == [6]


def test_many_threads_write_whole_lines(path: Path, account: Account) -> None:
    """One chain, whoever writes."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda entry: account.write(line(entry)), range(100)))
    assert len(entries(path)) == 105


def test_only_its_owner_reads_it(path: Path) -> None:
    """Who asked about whom is nobody else's business."""
    for one in (path, path.with_name("account.jsonl.head")):
        assert one.stat().st_mode & 0o777 == 0o600


def test_nothing_leaves_a_service_whose_account_is_gone(house: House) -> None:
    """A key without its line would be a key that nobody accounts for; what was written stays as it is."""
    number = house.chart().append(b"x", compartment="general", title="x").number
    asked = house.request(number)
    before = house.account.read_bytes()
    os.rename(house.account, house.account.with_name("away"))
    reply = house.ask(asked)
    assert (reply.status, b"AccountUnwritable" in reply.body, b"enc" in reply.body) == (507, True, False)
    assert house.account.with_name("away").read_bytes() == before
    house.account.with_name("away").rename(house.account)
    asked = house.request(number)
    assert house.ask(asked).status == 200
    with house.account.open("ab") as file:
        file.write(b"{}\n")
    reply = house.ask(house.request(number))
    assert (b"AccountUnwritable" in reply.body or b"IntegrityError" in reply.body, b"enc" in reply.body) == (
        True,
        False,
    )
