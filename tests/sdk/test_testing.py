"""The fixtures that applications use: their own test suites are run here, as they would be elsewhere."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py import testing
from medrec_py.chain.connection import Chain
from medrec_py.chain.local import LocalChain
from medrec_py.errors import ConfigurationError, InvalidInput
from medrec_py.testing import time_travel

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
LETTER = """
    def write(chart):
        return chart.append(b"All is well.", compartment="general", title="Letter", media_type="text/plain")
"""


@pytest.fixture
def application(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An application with an empty test suite, whose conftest loads our plugin as the documentation says."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest('pytest_plugins = ["medrec_py.testing"]')
    pytester.makepyfile(letters=LETTER)
    return pytester


def test_an_application_uses_the_actors(application: pytest.Pytester) -> None:
    """Everybody in the table is ready: the chart appends, the patient reads, the stranger is refused, time passes."""
    application.makepyfile(
        """
        from datetime import timedelta

        import pytest

        import medrec_py as medrec
        from letters import write

        def test_patient_reads(medrec_chart, medrec_patient, medrec_hospital, medrec_doctor):
            record = medrec_patient.read(write(medrec_chart))
            assert record.read() == b"All is well."
            assert (record.author, record.on_behalf_of) == (medrec_doctor.address, medrec_hospital.address)

        def test_stranger_is_refused(medrec_chart, medrec_patient, medrec_stranger):
            letter = write(medrec_chart)
            with pytest.raises(medrec.PermissionMissing):
                medrec_stranger.chart(medrec_patient).read(letter)

        def test_stranger_can_be_granted_reading(medrec_chart, medrec_patient, medrec_stranger):
            medrec_patient.grant(medrec_stranger, read=["general"], expires=timedelta(days=1))
            assert medrec_stranger.chart(medrec_patient).read(write(medrec_chart)).title == "Letter"

        def test_permission_ends(medrec_chart, medrec_permission, medrec_time_travel):
            letter = write(medrec_chart)
            assert medrec_time_travel(timedelta(days=90)) >= medrec_permission.expiry
            with pytest.raises(medrec.PermissionExpired):
                medrec_chart.read(letter)

        def test_registrar_suspends(medrec_chart, medrec_registrar, medrec_hospital):
            medrec_registrar.suspend(medrec_hospital)
            with pytest.raises(medrec.NotPermitted):
                write(medrec_chart)
        """
    )
    application.runpytest_subprocess("-q").assert_outcomes(passed=5)


def test_no_test_sees_another(application: pytest.Pytester) -> None:
    """Chain, clock and store are as after the deployment whenever a test begins, although it was deployed once."""
    application.makepyfile(
        """
        import time

        import pytest

        import medrec_py as medrec

        phrase, blocks, heights, addresses = medrec.Wallet.create().phrase, [], [], set()

        @pytest.mark.parametrize("turn", range(3))
        def test_turn(turn, medrec_network, medrec_time_travel):
            addresses.add(medrec_network.address)
            heights.append(medrec_network.chain.block().number)
            assert abs(medrec_network.chain.now() - time.time()) < 60
            assert len(addresses) == 1 and len(set(heights)) == 1
            for cid in blocks:
                assert not medrec_network.store.has(cid)
            patient = medrec_network.patient(medrec.Wallet.from_phrase(phrase))
            assert not patient.is_registered
            patient.register()
            blocks.append(medrec_network.store.put_block(bytes([turn])))
            medrec_time_travel(86_400)
            medrec_network.registrar().accredit(patient, kind=medrec.ProviderKind.PRACTITIONER)
        """
    )
    application.runpytest_subprocess("-q").assert_outcomes(passed=3)


def test_without_the_extra_it_says_what_to_install(application: pytest.Pytester) -> None:
    """Where py-evm is missing the test fails with the command that installs it, and without our stack."""
    application.makepyfile(
        """
        import sys

        sys.modules["eth_tester"] = None

        def test_network(medrec_network): ...
        """
    )
    result = application.runpytest_subprocess("-q")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*medrec_py.testing*pip install 'medrec-py[[]local[]]'*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_every_fixture_is_in_the_table(application: pytest.Pytester) -> None:
    """The documentation names every fixture, and no other."""
    listed = application.runpytest_subprocess("--fixtures", "-q").stdout.str()
    offered = set(re.findall(r"^(medrec_\w+)", listed, re.MULTILINE))
    assert offered == set(re.findall(r"^``(medrec_\w+)``", testing.__doc__ or "", re.MULTILINE))


def test_time_travel_goes_ahead_only() -> None:
    """By a span or by seconds; never back, and never on a chain that others run."""
    with medrec.local() as network:
        before = network.chain.now()
        assert time_travel(network, timedelta(hours=1)) >= before + 3_600
        assert time_travel(network, 60) >= before + 3_660
        with pytest.raises(InvalidInput, match="ahead"):
            time_travel(network, 0)


def test_time_travel_needs_a_chain_of_our_own() -> None:
    """The clock of a node cannot be set: that is said, and nothing is sent to it."""
    with medrec.local() as network:
        assert isinstance(network.chain, LocalChain)
        elsewhere = medrec.Network(Chain(network.chain.web3), network.contract, network.store)
        with pytest.raises(ConfigurationError, match="clock"):
            time_travel(elsewhere, 60)
