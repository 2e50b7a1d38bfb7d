import socket
import sys
from types import ModuleType

import pytest

from fieldmark.errors import ConfigError, ScaleError
from fieldmark.scale import cluster as module
from fieldmark.scale.cluster import cluster, first_line


class Ray(ModuleType):
    """Stands in for Ray: notes how it is started and stopped."""

    def __init__(self, cores: int, *, running: bool = False) -> None:
        super().__init__("ray")
        self.cores, self.running = cores, running
        self.started: list[dict[str, object]] = []
        self.stops = 0
        self.level: str | None = None

    def is_initialized(self) -> bool:
        return self.running

    def init(self, **options: object) -> None:
        import os

        if options.get("address") == "nowhere":
            raise ConnectionError("no such host\nand more")
        self.level = os.environ.get("RAY_BACKEND_LOG_LEVEL")
        self.started.append(options)

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.cores)}

    def shutdown(self) -> None:
        self.stops += 1


def stand_in(monkeypatch: pytest.MonkeyPatch, ray: Ray) -> Ray:
    monkeypatch.setattr(module, "import_ray", lambda: ray)
    monkeypatch.delenv("RAY_BACKEND_LOG_LEVEL", raising=False)
    return ray


def test_an_embedded_cluster_has_no_dashboard_and_hears_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = stand_in(monkeypatch, Ray(3))
    with cluster(None, 3) as workers:
        assert workers == 3
        assert ray.stops == 0
    (options,) = ray.started
    assert options["num_cpus"] == 3
    assert options["address"] == "local", "it would join any cluster that this machine has"
    assert options["include_dashboard"] is False
    assert options["_node_ip_address"] == "127.0.0.1"
    assert options["_system_config"] == {"worker_niceness": 0}
    assert ray.stops == 1


def test_it_is_left_when_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = stand_in(monkeypatch, Ray(1))
    with pytest.raises(ZeroDivisionError), cluster(None, 1):
        raise ZeroDivisionError
    assert ray.stops == 1


def test_a_cluster_that_was_there_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = stand_in(monkeypatch, Ray(2, running=True))
    with cluster(None, None) as workers:
        assert workers == 2
    assert (ray.started, ray.stops) == ([], 0)


def test_another_cluster_is_joined_with_as_many_workers_as_it_has_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = stand_in(monkeypatch, Ray(64))
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        for name in (address, f"ray://{address}", "auto"):
            with cluster(name, None) as workers:
                assert workers == 64
            assert ray.started[-1]["address"] == name
    assert "num_cpus" not in ray.started[0]


def test_where_nobody_listens_ray_is_not_kept_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = stand_in(monkeypatch, Ray(64))
    with socket.create_server(("127.0.0.1", 0)) as head:
        port = head.getsockname()[1]
    with (
        pytest.raises(ScaleError, match=f"127.0.0.1:{port} doesn't answer: .*refused"),
        cluster(f"127.0.0.1:{port}", 1),
    ):
        pass
    assert ray.started == []


def test_what_a_user_chose_for_ray_s_core_is_kept_and_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    ray = stand_in(monkeypatch, Ray(1))
    with cluster(None, 1):
        assert ray.level == "fatal"
        assert "RAY_BACKEND_LOG_LEVEL" not in os.environ
    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "debug")
    with cluster(None, 1):
        assert ray.level == "debug"
    assert os.environ["RAY_BACKEND_LOG_LEVEL"] == "debug"


def test_mistakes_are_told_with_their_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = stand_in(monkeypatch, Ray(4))
    with pytest.raises(ConfigError, match="0 workers"), cluster(None, 0):
        pass
    with pytest.raises(ScaleError) as lost, cluster("nowhere", None):
        pass
    assert lost.value.message == "The cluster at nowhere doesn't answer: no such host"
    assert "ray start --head" in lost.value.cure
    assert "RAY_AUTH_TOKEN_PATH" in lost.value.cure
    with pytest.raises(ConfigError, match="4 cores for 9 workers") as many, cluster("there", 9):
        pass
    assert "ray start" in many.value.cure
    assert ray.stops == 1, "a cluster that was joined is left, too"


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ScaleError) as error, cluster(None, 1):
        pass
    assert "fieldmark[ray]" in error.value.cure


def test_the_first_line_that_says_anything() -> None:
    assert first_line(ValueError("\n\n  it broke \nat line 3")) == "it broke"
    assert first_line(ValueError()) == "ValueError"
