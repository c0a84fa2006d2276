"""A wallet in Chromium signs what the SDK asks for: the page, wallets that are injected, and an extension of MV3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.chain import descriptor_words
from medrec_py.courier import OwnExpense
from medrec_py.crypto import typed_data
from medrec_py.crypto.decisions import Grant
from medrec_py.crypto.keys import Place
from medrec_py.crypto.messages import STRUCTS
from medrec_py.crypto.typed_data import TypedStruct
from medrec_py.crypto.wallet_recovery import Request
from medrec_py.errors import PageClosed, SignatureForeign, SigningDeclined
from medrec_py.network import Network
from medrec_py.wallets import page_server
from scripts import build_pages, toolchain
from scripts.pytest_components import require
from scripts.toolchain import ROOT
from tests.support import chromium, typescript
from tests.support.chromium import LONGEST, Browser, Tab
from tests.support.wallets import root

pytestmark = [pytest.mark.node, pytest.mark.typescript, pytest.mark.vite, pytest.mark.chromium]

CHAIN = 31_337
KEY, OTHER = medrec.Wallet.from_key("11" * 32), medrec.Wallet.from_key("22" * 32)
HOSPITAL = bytes.fromhex("c1" * 20)
NAMES = medrec.KnownNames({3: "general", 17: "psychiatry", 40: "dental"}, {"0x" + "c1" * 20: "General Hospital"})
GRANT = Grant(
    Place(CHAIN, bytes.fromhex("0c" * 20), bytes.fromhex(KEY.address[2:])),
    signer=bytes.fromhex(KEY.address[2:]),
    grantee=HOSPITAL,
    read=1 << 3 | 1 << 17,
    append=1 << 3,
    not_before=0,
    expiry=int(time.time()) + 90 * 86_400 + 12 * 3600,
    purposes=1,
    flags=0,
    seal=b"\x51" * 32,
    version=6,
    deadline=int(time.time()) + 12 * 3600,
)
DOCUMENT = GRANT.typed_data()
PHONE = {"viewport": {"width": 390, "height": 844}, "deviceScaleFactor": 2, "isMobile": True, "hasTouch": True}
NARROW = {**PHONE, "viewport": {"width": 320, "height": 640}}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}


def a_wallet(**changes: Any) -> dict[str, Any]:
    """A wallet that is injected into the page, and has the key."""
    return {"name": "Injected", "key": "11" * 32, "chainId": CHAIN, **changes}


EXTENSION = a_wallet(name="Test wallet", chains=None)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    for component in ("node", "typescript", "vite", "chromium"):
        require(component)
    with chromium.running(tmp_path_factory.mktemp("chromium")) as running:
        yield running


class Desk:
    """Where a person sits: a program asks for signatures, and a browser shows the page."""

    def __init__(self, browser: Browser, threads: ThreadPoolExecutor) -> None:
        self.browser = browser
        self._threads = threads
        self.urls: SimpleQueue[str] = SimpleQueue()

    def asked(
        self, *wallets: dict[str, Any], document: dict[str, Any] = DOCUMENT, names: Any = NAMES, **more: Any
    ) -> tuple[Tab, Future[bytes]]:
        """A tab that shows what is asked, and the signature to come."""
        wallet = medrec.BrowserWallet(
            KEY.address, chain_id=CHAIN, names=names, open_page=self.urls.put, timeout=LONGEST
        )
        signature = self._threads.submit(wallet.sign_typed_data, document)
        tab = self.browser.open(self.urls.get(timeout=LONGEST), *wallets, **more)
        return tab, signature


@pytest.fixture
def desk(browser: Browser) -> Iterator[Desk]:
    with ThreadPoolExecutor(4) as threads:
        yield Desk(browser, threads)


# --- signing ---------------------------------------------------------------------------------------


def test_what_is_read_is_what_is_signed(desk: Desk) -> None:
    """The page says it in words; the wallet gets the very document; the signature is the account's over it."""
    tab, signature = desk.asked(a_wallet())
    tab.see("Allow access")
    words = tab.text()
    assert "“General Hospital” may read “general” and “psychiatry” and add to “general” in your record" in words
    assert "for treatment" in words
    assert "in 90 days" in words
    assert f"0x{'c1' * 20}" in words.lower()
    tab.click("Sign")
    tab.see("The program has your signature.")
    assert tab.text("h1") == "Signed: Allow access"
    assert signature.result(LONGEST) == KEY.sign_typed_data(DOCUMENT)
    methods = [call["method"] for call in tab.calls()]
    assert methods == ["eth_requestAccounts", "eth_chainId", "eth_signTypedData_v4"]
    account, text = tab.calls()[-1]["params"]
    assert account == KEY.address
    assert json.loads(text) == DOCUMENT
    assert "general" not in text


def test_the_exact_data_is_there_to_be_looked_at(desk: Desk) -> None:
    """Every member of the document, domain and types included."""
    tab, signature = desk.asked(a_wallet())
    tab.see("Allow access")
    tab.ask("evaluate", script="document.querySelector('#exact').open = true")
    table = tab.text("#exact")
    for name, value in DOCUMENT["message"].items():
        assert name in table
        assert value in table
    assert DOCUMENT["domain"]["verifyingContract"] in table
    tab.click("Don’t sign")
    with pytest.raises(SigningDeclined):
        signature.result(LONGEST)


def test_an_unknown_document_is_shown_whole_and_warned_of(desk: Desk) -> None:
    """No words but a warning; what is not signed is said not to be."""
    members = [*DOCUMENT["types"]["Grant"], {"name": "hidden", "type": "string"}]
    message = DOCUMENT["message"] | {"hidden": "<img src=x onerror=alert(1)>", "loose": "not signed"}
    document = DOCUMENT | {"types": DOCUMENT["types"] | {"Grant": members}, "message": message}
    tab, signature = desk.asked(a_wallet(), document=document)
    tab.see("Something that this page does not know")
    words = tab.text()
    assert "unknown part “string hidden”" in words
    assert "<img src=x onerror=alert(1)>" in words
    assert "“loose”, which would not be signed" in words
    assert tab.ask("evaluate", script="document.querySelector('button.primary:not([hidden])')") is None
    tab.click("Sign")
    assert signature.result(LONGEST)


def test_a_wallet_without_eip_6963(desk: Desk) -> None:
    """By `window.ethereum`."""
    tab, signature = desk.asked(a_wallet(legacy=True))
    tab.see("the wallet of this browser")
    tab.click("Sign")
    assert signature.result(LONGEST) == KEY.sign_typed_data(DOCUMENT)


def test_two_wallets_to_choose_from(desk: Desk) -> None:
    """Only the one that is chosen is asked anything."""
    tab, signature = desk.asked(a_wallet(name="First", key="22" * 32), a_wallet(name="Second"))
    tab.click("Second", role="radio")
    tab.click("Sign")
    assert signature.result(LONGEST) == KEY.sign_typed_data(DOCUMENT)
    assert tab.calls(0) == []


def test_no_wallet(desk: Desk) -> None:
    """Nothing to sign with, and a word about it; not signing works."""
    tab, signature = desk.asked()
    tab.see("No wallet has been found in this browser.")
    assert tab.ask("evaluate", script="document.querySelector('#sign').disabled") is True
    tab.click("Don’t sign")
    with pytest.raises(SigningDeclined):
        signature.result(LONGEST)


# --- what does not go well -------------------------------------------------------------------------


def test_a_refusal_in_the_wallet(desk: Desk) -> None:
    """EIP-1193's 4001 over the document is the answer, with the wallet's own words."""
    tab, signature = desk.asked(a_wallet(refuses={"eth_signTypedData_v4": 4001}))
    tab.click("Sign")
    with pytest.raises(SigningDeclined) as raised:
        signature.result(LONGEST)
    assert (raised.value.code, raised.value.reason) == (4001, "refused by Injected")
    tab.see("You refused, and the program knows.")


@pytest.mark.parametrize(
    ("method", "code", "words"),
    [
        ("eth_requestAccounts", 4001, "You refused in your wallet. Nothing was signed."),
        ("eth_requestAccounts", -32002, "Your wallet has a question open already."),
        ("eth_signTypedData_v4", -32603, "Your wallet did not do it. It says: refused by Injected"),
    ],
)
def test_what_can_be_tried_again(desk: Desk, method: str, code: int, words: str) -> None:
    """A refusal to connect, a question that is open, an error of the wallet's: it is said, and nothing is lost."""
    tab, signature = desk.asked(a_wallet(refuses={method: code}), a_wallet(name="Other"))
    tab.click("Sign")
    tab.see(words)
    assert not signature.done()
    tab.click("Other", role="radio")
    tab.click("Sign")
    assert signature.result(LONGEST) == KEY.sign_typed_data(DOCUMENT)


def test_a_wallet_with_another_account(desk: Desk) -> None:
    """Both accounts are named; the wallet is asked to choose, and then signs."""
    tab, signature = desk.asked(a_wallet(shows=[OTHER.address]))
    tab.click("Sign")
    tab.see("Choose it in your wallet")
    assert OTHER.address in tab.text("#status")
    assert KEY.address in tab.text("#status")
    tab.click("Choose the account")
    assert signature.result(LONGEST) == KEY.sign_typed_data(DOCUMENT)


def test_a_signature_of_another_account(desk: Desk) -> None:
    """A wallet that signs with another key than it shows is found out, and the page says so."""
    tab, signature = desk.asked(a_wallet(signsWith="22" * 32))
    tab.click("Sign")
    with pytest.raises(SignatureForeign):
        signature.result(LONGEST)
    tab.see("Not accepted")


def test_a_wallet_on_another_chain(desk: Desk) -> None:
    """It is offered to switch (EIP-3326), and then signs."""
    tab, signature = desk.asked(a_wallet(chainId=1, chains=[CHAIN]))
    tab.click("Sign")
    tab.see("Your wallet is on chain 1.")
    tab.click(f"Switch to chain {CHAIN}")
    assert signature.result(LONGEST) == KEY.sign_typed_data(DOCUMENT)


def test_a_wallet_that_does_not_know_the_chain(desk: Desk) -> None:
    """It is said, and the person can give up."""
    tab, signature = desk.asked(a_wallet(chainId=1))
    tab.click("Sign")
    tab.click(f"Switch to chain {CHAIN}")
    tab.see("Your wallet does not know that chain.")
    tab.click("Don’t sign")
    with pytest.raises(SigningDeclined):
        signature.result(LONGEST)


def test_the_page_is_closed(desk: Desk) -> None:
    """The program hears of it at once, not only when its time is over."""
    tab, signature = desk.asked(a_wallet())
    tab.see("Allow access")
    tab.ask("close")
    with pytest.raises(PageClosed):
        signature.result(LONGEST)


def test_the_page_is_loaded_again(desk: Desk) -> None:
    """It goes on, although its address was used: the tab remembers."""
    tab, signature = desk.asked(a_wallet())
    tab.see("Allow access")
    tab.ask("reload")
    tab.see("Allow access")
    tab.click("Sign")
    assert signature.result(LONGEST) == KEY.sign_typed_data(DOCUMENT)


def test_time_is_over_while_the_page_is_open(desk: Desk) -> None:
    """Then nothing can be signed there any more."""
    tabs: list[Tab] = []

    def open_page(url: str) -> None:  # only then does the time begin
        tabs.append(desk.browser.open(url, a_wallet()))

    wallet = medrec.BrowserWallet(KEY.address, chain_id=CHAIN, open_page=open_page, timeout=6)
    with pytest.raises(medrec.errors.SignerTimeout):
        wallet.sign_typed_data(DOCUMENT)
    (tab,) = tabs
    tab.see("What you sign now is not used.")
    assert tab.ask("evaluate", script="document.querySelector('#asked').hidden") is True


# --- the address, and the browser's own rules --------------------------------------------------------


def test_the_program_ends_in_the_midst_of_its_last_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page has the signature's outcome already, and says that it is over."""

    class Cut(bytes):
        """An answer of which the end is missing."""

        def __len__(self) -> int:
            return super().__len__() + 10

    def answered(document: Mapping[str, Any]) -> tuple[str, bytes]:
        kind, body = whole(document)
        return kind, Cut(body) if document.get("over") else body

    whole = page_server._json
    monkeypatch.setattr(page_server, "_json", answered)
    tab, signature = desk.asked(a_wallet())
    tab.click("Sign")
    assert signature.result(LONGEST)
    tab.see("You can close this page.")


@pytest.mark.parametrize("change", [lambda url: url.partition("#")[0], lambda url: url.partition("#")[0] + "#wrong"])
def test_an_address_without_its_word(desk: Desk, change: Callable[[str], str]) -> None:
    """Missing or wrong: nothing is shown, and nothing is used up."""
    wallet = medrec.BrowserWallet(KEY.address, chain_id=CHAIN, open_page=desk.urls.put, timeout=LONGEST)
    with ThreadPoolExecutor(1) as threads:
        signature = threads.submit(wallet.sign_typed_data, DOCUMENT)
        url = desk.urls.get(timeout=LONGEST)
        stranger = desk.browser.open(change(url), a_wallet())
        stranger.see("This address was used")
        assert "General Hospital" not in stranger.text("body")
        tab = desk.browser.open(url, a_wallet())
        tab.click("Sign")
        assert signature.result(LONGEST)


def test_an_address_that_was_used(desk: Desk) -> None:
    """In another tab it shows nothing; the first one goes on. No server and no list of addresses sees the word."""
    wallet = medrec.BrowserWallet(KEY.address, chain_id=CHAIN, open_page=desk.urls.put, timeout=LONGEST)
    with ThreadPoolExecutor(1) as threads:
        signature = threads.submit(wallet.sign_typed_data, DOCUMENT)
        url = desk.urls.get(timeout=LONGEST)
        tab = desk.browser.open(url, a_wallet())
        tab.see("Allow access")
        desk.browser.open(url, a_wallet()).see("This address was used")
        token = url.partition("#")[2]
        assert token not in tab.ask("evaluate", script="location.href")
        assert token not in tab.ask("evaluate", script="document.documentElement.outerHTML")
        tab.click("Sign")
        assert signature.result(LONGEST)
    seen = tab.ask("seen")
    assert all(request.startswith(url.partition("/#")[0]) for request in seen["requests"])
    assert seen["complaints"] == []


def test_another_name_of_this_machine(desk: Desk) -> None:
    """The page answers to the address that was opened alone, even where another name leads here (DNS rebinding)."""
    wallet = medrec.BrowserWallet(KEY.address, chain_id=CHAIN, open_page=desk.urls.put, timeout=LONGEST)
    with ThreadPoolExecutor(1) as threads:
        signature = threads.submit(wallet.sign_typed_data, DOCUMENT)
        url = desk.urls.get(timeout=LONGEST)
        assert desk.browser.open(url.replace("127.0.0.1", "localhost")).text("body") == "{}"
        tab = desk.browser.open(url, a_wallet())
        tab.click("Sign")
        assert signature.result(LONGEST)


def test_the_browser_keeps_the_page_to_itself(desk: Desk) -> None:
    """No script of others, no other server, no frame: Chromium itself refuses."""
    tab, signature = desk.asked(a_wallet())
    tab.see("Allow access")
    origin = tab.ask("evaluate", script="location.origin")
    elsewhere = "fetch('http://127.0.0.1:9/').then(() => 'reached', (error) => String(error))"
    assert "TypeError" in tab.ask("evaluate", script=elsewhere)
    script = """(() => { const made = document.createElement('script'); made.textContent = 'window.hurt = 1';
        document.body.append(made); return window.hurt ?? null; })()"""
    assert tab.ask("evaluate", script=script) is None
    assert any("Content Security Policy" in complaint for complaint in tab.ask("seen")["complaints"])
    framed = """new Promise((resolve) => { const made = document.createElement('iframe');
        made.onload = () => { try { resolve(made.contentDocument === null ? 'refused' : made.contentDocument.title); }
        catch { resolve('refused'); } }; made.src = %s; document.body.append(made); })"""
    outside = desk.browser.open("about:blank")
    assert outside.ask("evaluate", script=framed % json.dumps(origin + "/")) == "refused"
    posted = f"""fetch('{origin}/api/wait', {{method: 'POST', body: '{{}}'}}).then(() => 'read', () => 'refused')"""
    assert outside.ask("evaluate", script=posted) == "refused"
    tab.click("Sign")
    assert signature.result(LONGEST)


# --- for everybody -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [PHONE, NARROW, DESKTOP, {**PHONE, "colorScheme": "dark"}],
    ids=["phone", "narrow", "desktop", "dark"],
)
def test_it_can_be_read_and_used_by_everybody(desk: Desk, options: dict[str, Any], tmp_path: Path) -> None:
    """axe-core finds nothing, asked and ended; nothing is wider than the screen, or has to be scrolled sideways."""
    document = DOCUMENT | {"message": DOCUMENT["message"] | {"flags": "3", "expiry": "4102444800"}}
    tab, signature = desk.asked(
        a_wallet(shows=[OTHER.address]), a_wallet(name="Other"), document=document, options=options
    )
    tab.see("Look twice")
    assert tab.ask("audit") == []
    tab.click("Sign")
    tab.see("Choose it in your wallet")
    tab.ask("evaluate", script="document.querySelector('#exact').open = true")
    assert tab.ask("audit") == []
    assert tab.ask("evaluate", script=CUT_OFF) == []
    shots = Path(os.environ.get("MEDREC_SCREENSHOTS", tmp_path))
    tab.ask("evaluate", script="document.querySelector('#exact').open = false")
    tab.ask("screenshot", path=str(shots / f"asked-{options['viewport']['width']}-{options.get('colorScheme')}.png"))
    tab.click("Other", role="radio")
    tab.click("Sign")
    assert signature.result(LONGEST)
    tab.see("Signed")
    assert tab.ask("audit") == []
    tab.ask("screenshot", path=str(shots / f"signed-{options['viewport']['width']}-{options.get('colorScheme')}.png"))


CUT_OFF = """[...document.querySelectorAll('body *')]
    .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline'
        || one.getBoundingClientRect().right > window.innerWidth)
    .map((one) => one.outerHTML)"""
"""What is wider than its place, or than the screen."""


def test_digits_are_in_groups_for_the_eye_alone(desk: Desk) -> None:
    """Addresses can be compared, and are found, copied and read out as they are."""
    tab, signature = desk.asked(a_wallet(), options=NARROW)
    tab.see("Allow access")
    code = "document.querySelector('#facts code')"
    address = DOCUMENT["message"]["grantee"]
    assert tab.ask("evaluate", script=f"{code}.textContent") == address
    assert tab.ask("evaluate", script=f"{code}.innerText") == address
    assert tab.ask("evaluate", script=f"String(getSelection().selectAllChildren({code}) ?? getSelection())") == address
    groups = f"[...{code}.querySelectorAll('span')]"
    texts = tab.ask("evaluate", script=f"{groups}.map((one) => one.textContent)")
    assert texts == ["0x", *(address[place : place + 4] for place in range(2, 42, 4))]
    assert tab.ask("evaluate", script=f"{groups}.every((one) => one.getClientRects().length === 1)") is True
    tab.click("Don’t sign")
    with pytest.raises(SigningDeclined):
        signature.result(LONGEST)


def test_what_is_in_the_way_is_got_over_without_a_mouse(desk: Desk) -> None:
    """The focus goes to the help that is offered, is never lost, and Enter is all that it takes."""
    tab, signature = desk.asked(a_wallet(chainId=1, chains=[CHAIN], refuses={"eth_signTypedData_v4": -32603}))
    tab.see("Allow access")
    focused = "document.activeElement.id || document.activeElement.name || document.activeElement.tagName"
    for _ in range(3):
        tab.ask("press", key="Tab")
    assert tab.ask("evaluate", script=focused) == "sign"
    tab.ask("press", key="Enter")
    tab.see("Your wallet is on chain 1.")
    assert tab.ask("evaluate", script=focused) == "help"
    tab.ask("press", key="Enter")
    tab.see("Your wallet did not do it.")
    assert tab.ask("evaluate", script=focused) == "sign"
    tab.ask("press", key="Tab")
    tab.ask("press", key="Enter")
    with pytest.raises(SigningDeclined):
        signature.result(LONGEST)


def test_it_can_be_used_without_a_mouse(desk: Desk) -> None:
    """Focus begins at the heading and goes in the order of reading; Space and Enter do what a mouse does."""
    tab, signature = desk.asked(a_wallet(name="First", key="22" * 32), a_wallet(name="Second"))
    tab.see("Allow access")
    focused = "document.activeElement.id || document.activeElement.name || document.activeElement.tagName"
    assert tab.ask("evaluate", script=focused) == "title"
    order = []
    for _ in range(4):
        tab.ask("press", key="Tab")
        order.append(tab.ask("evaluate", script=focused))
    assert order == ["SUMMARY", "wallet", "sign", "refuse"]
    for key in ("Shift+Tab", "Shift+Tab", "ArrowDown", "Enter"):
        tab.ask("press", key=key)
    assert signature.result(LONGEST) == KEY.sign_typed_data(DOCUMENT)
    tab.see("Signed")
    assert tab.ask("evaluate", script=focused) == "title"


# --- an extension, and a contract --------------------------------------------------------------------


def test_an_extension_signs(desk: Desk) -> None:
    """An unpacked extension that announces itself: page, content script, and the process that has the key."""
    tab, signature = desk.asked(extension=EXTENSION)
    tab.see("Test wallet")
    tab.click("Sign")
    assert signature.result(LONGEST) == KEY.sign_typed_data(DOCUMENT)


def test_a_patient_whose_wallet_is_an_extension(browser: Browser) -> None:
    """Registers, grants and revokes by signatures alone, in one page; a courier carries them to the contract."""
    approvals: list[Future[Any]] = []

    def approve(url: str) -> None:
        approvals.append(browser.start("approve", url=url, extension=EXTENSION))

    with medrec.local() as net:
        hospital = net.organisation(medrec.Wallet.create(), name="General Hospital")
        net.registrar().accredit(hospital, expires=timedelta(days=365))
        payer = medrec.Wallet.create()
        net._fund(payer.address)  # type: ignore[misc]
        carried = Network(net.chain, net.contract, net.store, courier=OwnExpense(net.contract, payer))
        wallet = medrec.BrowserWallet(KEY.address, chain_id=net.chain.chain_id, open_page=approve, timeout=LONGEST)
        with wallet:
            alice = carried.patient(wallet, root()).register(["general", "psychiatry"])
            wallet.names = lambda: medrec.KnownNames(alice.compartments(), {hospital.address: "General Hospital"})
            alice.grant(hospital, read=["general"], append=["general"], expires=timedelta(days=90))
            chart = hospital.chart(alice.id)
            number = chart.append(b"seen", compartment="general", title="note").number
            assert chart.read(number).read() == b"seen"
            alice.revoke(hospital)
            with pytest.raises(medrec.PermissionRevoked):
                chart.append(b"late", compartment="general", title="late")
        assert net.chain.balance(KEY.address) == 0
    (approval,) = approvals
    seen = approval.result(LONGEST)
    assert len(seen["summaries"]) == 5
    assert "“General Hospital” may read and add to “general” in your record" in seen["summaries"][3]
    assert "“General Hospital” may no longer read or add to your record." in seen["summaries"][4]
    assert "You can close this page." in seen["end"]


# --- what is shipped -----------------------------------------------------------------------------------


def test_the_page_knows_what_python_signs() -> None:
    """Types of the documents, domain and purposes are the same on both sides."""
    known = page_says("f")
    assert known["FORMS"] == {one.name: [f"{kind} {name}" for name, kind in one.fields] for one in STRUCTS}
    assert known["DOMAIN"] == [f"{kind} {name}" for name, kind in typed_data._DOMAIN_FIELDS]
    assert [code for code, _ in known["PURPOSES"]] == [purpose.name for purpose in medrec.Purpose]
    assert [words for _, words in known["PURPOSES"]] == list(descriptor_words.PURPOSES)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.name)
def test_the_page_and_wallets_use_the_same_words(struct: TypedStruct) -> None:
    """Intent and labels of the descriptors (ERC-7730) are title and labels of the page."""
    place = Place(CHAIN, b"\x0c" * 20, b"\xa1" * 20)
    sizes = {"address": 20, "bytes16": 16, "bytes32": 32}
    message = {name: b"\xa1" * sizes[kind] if kind in sizes else 0 for name, kind in struct.fields}
    text, holder = json.dumps(struct.typed_data(place, message)), json.dumps("0x" + "a1" * 20)
    names = "{compartments: {}, accounts: {}}"
    told = page_says(f"w.describe(d.read({json.dumps(text)}), {holder}, {names}, {{now: 1n, zone: 'UTC'}})")
    words = descriptor_words.MESSAGES[struct.name]
    assert told["title"] == words.intent
    labels = {name: (words.labels.get(name) or descriptor_words.COMMON[name]).text for name, _ in struct.fields}
    on_the_page = {name: {fact["label"] for fact in told["facts"] if name in fact["members"]} for name in labels}
    for name, label in labels.items():
        several = len(on_the_page[name]) > 1  # of the flags the page makes two
        assert several or on_the_page[name] == {label.removesuffix(" (bits)")}


def test_the_page_shows_the_digits_that_are_read_out() -> None:
    """What a guardian signs has the fingerprint of the new device's request, computed from what is signed."""
    place = Place(CHAIN, b"\x0c" * 20, b"\xa1" * 20)
    for deadline in (1_800_000_000, 1_800_000_001, (1 << 64) - 1):
        request = Request(place, b"\xb2" * 20, 3, deadline)
        document = request.to_sign(bytes.fromhex(KEY.address[2:])).typed_data()
        text, holder = json.dumps(json.dumps(document)), json.dumps(KEY.address)
        names = "{compartments: {}, accounts: {}}"
        told = page_says(f"w.describe(d.read({text}), {holder}, {names}, {{now: 1n, zone: 'UTC'}})")
        (digits,) = [fact["lines"] for fact in told["facts"] if fact["label"] == "Digits to compare"]
        assert digits == [request.fingerprint()]


def page_says(expression: str) -> Any:
    """What an expression is in the page's own code."""
    typescript.compile_tests()
    folder = typescript.TESTS.parent / "src" / "sign"
    imports = {"f": "forms", "d": "document", "w": "words"}
    loaded = "".join(
        f"const {name} = await import({json.dumps((folder / f'{one}.js').as_uri())}); " for name, one in imports.items()
    )
    script = f"{loaded}console.log(JSON.stringify({expression}));"
    command = [str(toolchain.node()), "--input-type=module", "--eval", script]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_the_page_that_is_shipped_is_built_from_these_sources() -> None:
    """Byte for byte: a build gives the files that are in the package, and is small."""
    assert build_pages.differences() == []
    assert sum(path.stat().st_size for path in build_pages.PAGE.iterdir()) < 50_000


def test_the_command_line_signs_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    """From the shell to the extension and back; the variable BROWSER says what opens the page."""
    (tmp_path / "document.json").write_text(json.dumps(DOCUMENT))
    opener = tmp_path / "opener"
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" >{tmp_path}/part && mv {tmp_path}/part {tmp_path}/url\n')
    opener.chmod(0o755)
    command = [sys.executable, "-m", "medrec_py.cli", "sign", "document.json", "--browser", "--json"]
    environment = {
        **os.environ,
        "BROWSER": f"{opener} %s",
        "MEDREC_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT),
    }
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True) as program:
        while not (tmp_path / "url").exists():
            assert program.poll() is None, program.communicate()
            time.sleep(0.05)
        approval = browser.start("approve", url=(tmp_path / "url").read_text(), extension=EXTENSION)
        out, err = program.communicate(timeout=LONGEST)
    assert (program.returncode, err) == (0, "")
    assert json.loads(out)["signature"] == "0x" + KEY.sign_typed_data(DOCUMENT).hex()
    assert "“" not in approval.result(LONGEST)["summaries"][0]
