"""Hypothesis without a deadline, in CI the same examples on every run; S3 services to test on."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from functools import cache
from typing import Any

import pytest
from botocore import loaders
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.s3_proxy import Proxy, proxy
from tests.s3_server import ACCESS_KEY, SECRET_KEY, S3Server, moto, seaweed
from tests.spark_cluster import Cluster, connected

# Files that run one after the other, where what they share takes long to make.
TOGETHER = {
    "test_spark.py": "spark",
    "test_deployment.py": "terraform",
    "test_permissions.py": "terraform",
    "test_roles.py": "roles",
    "test_aws.py": "aws",
    "test_image.py": "image",
}

# Of each property that does not say otherwise; a longer run asks for more.
EXAMPLES = int(os.environ.get("EXAMPLES", "50"))

settings.register_profile(
    "all",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("all")


@pytest.fixture(scope="session", autouse=True)
def _models_of_services_are_read_once() -> Iterator[None]:
    """Each client of boto3's would parse some megabytes of JSON anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaders, "create_loader", cache(loaders.create_loader))
        yield


@pytest.fixture(scope="session")
def seaweed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One real S3 service a process of tests; it is up in less than a second."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What boto3 finds in this test, whoever runs it."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "S3_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def s3_proxy(seaweed_server: S3Server) -> Iterator[Proxy]:
    with proxy(seaweed_server) as made:
        yield made


@pytest.fixture
def between(s3_proxy: Proxy, credentials: None) -> Proxy:
    """An honest proxy before a real S3 service; give it another manner."""
    return s3_proxy.reset()


@pytest.fixture
def s3(seaweed_server: S3Server, credentials: None) -> S3Server:
    return seaweed_server


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real cluster with one application for all tests: what takes seconds is to begin one."""
    with connected(tmp_path_factory.mktemp("spark")) as made:
        yield made


class Together(LoadScopeScheduling):  # type: ignore[misc]  # it ships no types
    """Each test by itself, but for those of the files named: they go to one process."""

    def _split_scope(self, nodeid: str) -> str:
        name = nodeid.partition("::")[0].rpartition("/")[2]
        return TOGETHER.get(name, nodeid)


@pytest.hookimpl(optionalhook=True)  # xdist may be switched off
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    """`--dist loadgroup`. That of xdist 3.8 sees no groups under pytest 9.2."""
    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A mark that keeps tests together by name would do nothing: see TOGETHER."""
    wrong = [item.nodeid for item in items if item.get_closest_marker("xdist_group")]
    if wrong:
        raise pytest.UsageError(f"name the files in tests/conftest.py's TOGETHER: {wrong[:3]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is installed that tests need, a test that is skipped is one that failed."""
    report = yield
    if report.skipped and "NO_SKIPS" in os.environ:
        report.outcome = "failed"
        report.longrepr = f"skipped, where NO_SKIPS is set: {call.excinfo and call.excinfo.value}"
    return report
