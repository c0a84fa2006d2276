"""A pytest plugin: a test names the programs it needs by markers, and says so if one is missing.

    @pytest.mark.kubo
    def test_block_survives_a_restart(...): ...

Without Kubo that test is skipped, and says what to do; with ``MEDREC_REQUIRE_ALL=1``, as CI runs, it fails. There, any
other skip is turned into a failure too, since a suite that skips proves nothing.
"""

import os
from collections.abc import Generator

import pytest

from scripts.toolchain import COMPONENTS, MissingComponent

REQUIRE_ALL = "MEDREC_REQUIRE_ALL"


def pytest_configure(config: pytest.Config) -> None:
    """Declare one marker for each component."""
    for name in COMPONENTS:
        config.addinivalue_line("markers", f"{name}: needs the component `{name}`; skipped without it, failed in CI")


def require(component: str) -> None:
    """Skip the test that is being set up unless the component is there. For fixtures that start one."""
    try:
        COMPONENTS[component]()
    except MissingComponent as missing:
        pytest.skip(str(missing))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for the components that a test's markers name."""
    for name in COMPONENTS:
        if item.get_closest_marker(name) is not None:
            require(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, a skip is a failure (an expected failure, which pytest reports as a skip too, is none)."""
    report = yield
    if os.environ.get(REQUIRE_ALL) == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that is skipped while it is collected, by `pytest.importorskip` for one."""
    report = yield
    if os.environ.get(REQUIRE_ALL) == "1" and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report
