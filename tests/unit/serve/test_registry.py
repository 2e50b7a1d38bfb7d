import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fieldmark.errors import BundleError, ConfigError
from fieldmark.models.bundle import record_results
from fieldmark.serve.refusals import Closing, NotThere
from fieldmark.serve.registry import Registry
from fieldmark.serve.served_model import ModelSource, ServedModel, bundle_stamp, bundle_version, load_served_model
from fieldmark.serve.settings import ServiceSettings

PATIENCE = 30.0


def load(source: ModelSource) -> ServedModel:
    return load_served_model(source, ServiceSettings())


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


def eventually(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.01)
    return happened()


def test_models_are_lent_by_name_and_version_and_the_first_is_the_default(run: Path) -> None:
    registry = Registry([ModelSource("one", run), ModelSource("two", run / "bundle")], load)
    with registry.lend() as served:
        assert served.model.name == "one"
    version = bundle_version(run)
    with registry.lend(f"two@{version}") as served:
        assert (served.model.name, served.model.version) == ("two", version)
    for name in ("three", "two@0000", "@"):
        with pytest.raises(NotThere), registry.lend(name):
            pass
    assert registry.close(PATIENCE)
    with pytest.raises(Closing), registry.lend():
        pass


def test_names_must_differ_and_bundles_must_be_there(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Registry([ModelSource("one", run), ModelSource("one", run)], load)
    with pytest.raises(ConfigError):
        Registry([], load)
    with pytest.raises(BundleError):
        Registry([ModelSource("one", tmp_path)], load)


def test_a_reload_exchanges_what_changed_and_the_old_one_lives_as_long_as_it_is_lent(run: Path) -> None:
    registry = Registry([ModelSource("one", run)], load)
    with registry.lend() as old:
        assert registry.reload().unchanged == (old.model,)
        record_results(run, {"top1": 0.5})
        answer = registry.reload()
        assert [model.version for model in answer.reloaded] == [bundle_version(run)]
        with registry.lend() as new:
            assert new is not old
        thread = old._predictions._thread
        assert thread.is_alive()  # it may still be asked
    assert eventually(lambda: not thread.is_alive())


def test_a_bundle_that_can_not_be_loaded_leaves_the_old_one_in_place(run: Path) -> None:
    told: list[tuple[str, bool]] = []
    registry = Registry([ModelSource("one", run)], load, on_reload=lambda name, fine: told.append((name, fine)))
    before = bundle_version(run)
    (run / "bundle" / "bundle.json").write_text("{")
    assert registry.reload().failed == ("one",)
    assert told == [("one", False)]
    with registry.lend() as served:
        assert served.model.version == before
    with pytest.raises(NotThere):
        registry.reload("two")


def test_a_changed_bundle_is_noticed_and_one_that_vanished_is_not_missed(run: Path) -> None:
    registry = Registry([ModelSource("one", run)], load, watch_s=0.02)
    record_results(run, {"top1": 0.5})
    version = bundle_version(run)
    assert eventually(lambda: registry.models()[0].model.version == version)
    (run / "bundle").rename(run / "elsewhere")
    time.sleep(0.1)
    with registry.lend() as served:
        assert served.model.version == version
    (run / "elsewhere").rename(run / "bundle")
    record_results(run, {"top1": 0.6})
    assert eventually(lambda: registry.models()[0].model.version == bundle_version(run))
    assert registry.close(PATIENCE)


def test_a_bundle_that_waits_for_its_export_is_tried_again_once_that_is_there(run: Path) -> None:
    exported = run / "export" / "model.onnx"

    def load_exported(source: ModelSource) -> ServedModel:
        if exported.read_text() != bundle_version(run):  # as an exported file states the weights that it holds
            raise BundleError("It was exported from other weights.", "Export it again.")
        return load(source)

    exported.parent.mkdir(exist_ok=True)  # other tests export the run that this one is a copy of
    exported.write_text(bundle_version(run))
    failed: list[str] = []
    registry = Registry(
        [ModelSource("one", run)], load_exported, watch_s=0.02, on_reload=lambda name, _fine: failed.append(name)
    )
    record_results(run, {"top1": 0.5})
    assert eventually(lambda: failed == ["one"])
    exported.write_text(bundle_version(run))
    assert eventually(lambda: registry.models()[0].model.version == bundle_version(run))
    assert registry.close(PATIENCE)


def test_the_stamp_and_the_version_change_with_the_bundle_not_with_its_card(run: Path) -> None:
    stamp, version = bundle_stamp(run), bundle_version(run)
    (run / "bundle" / "README.md").write_text("other words")
    assert (bundle_stamp(run), bundle_version(run)) == (stamp, version)
    weights = run / "bundle" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert bundle_stamp(run) != stamp
    assert bundle_version(run) != version


def test_lending_from_many_threads_while_reloading_loses_nothing(run: Path) -> None:
    registry = Registry([ModelSource("one", run)], load)
    failures: list[Exception] = []
    stop = threading.Event()

    def ask() -> None:
        import numpy as np

        from fieldmark.data.images import FittedImage

        picture = FittedImage(np.zeros((48, 48, 3), np.uint8), (0, 0, 48, 48), (48, 48))
        while not stop.is_set():
            try:
                with registry.lend() as served:
                    served.predict(picture).result(PATIENCE)
            except Exception as error:  # a thread's error is the test's
                failures.append(error)
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(3):
        record_results(run, {"top1": number / 10})
        assert registry.reload().reloaded
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert failures == []
