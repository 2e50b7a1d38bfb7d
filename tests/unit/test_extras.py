"""Without an extra the rest works, and whatever needs it says which one to install."""

import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the test folders are no packages
import fieldmark
from fieldmark.cli.main import app
from fieldmark.errors import FieldmarkError
from format_examples import paint

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]

#: Extras for those who work on Fieldmark, which nothing in the package needs.
FOR_DEVELOPERS = {"benchmarks", "dev"}

#: Extras that only make something faster, with their library: without it the results are the same.
FASTER = {"search": "usearch"}

#: Extras that prepare what the package reads without them: `datasets` saves the data sets that a reader reads.
PREPARING = {"hub": "datasets"}


@dataclass(frozen=True)
class Without:
    """What to do without an extra.

    Attributes:
        modules: the extra's libraries, as they are imported.
        use: asks for what needs them; given a run and an empty folder.
    """

    modules: tuple[str, ...]
    use: Callable[[Path, Path], object]


def command(*arguments: object) -> None:
    """Run a command, whose mistake must be a message; raise it like the library's own."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 2, done.output
    message, _, cure = done.stderr.removeprefix("error: ").partition("\n")
    raise FieldmarkError(message, cure)


def decode_flac(_run: Path, _folder: Path) -> None:
    from fieldmark.data.audio import decode_sound

    decode_sound(b"fLaC" + bytes(200))


def train_bpe(_run: Path, _folder: Path) -> None:
    from fieldmark.data.tokens import train_bpe as train

    train(["a text", "another text"], 300)


def write_keras(_run: Path, folder: Path) -> None:
    from fieldmark.export.keras_file import _import_keras

    _import_keras()


def predict_at_scale(run: Path, folder: Path) -> None:
    paint(folder / "a.png")
    command("scale", "predict", folder, "--run", run, "--out", folder / "out")


def export(run: Path, form: str, out: Path) -> None:
    command("export", run, "--format", form, "--out", out)  # the run is shared with tests that export into it


CASES = {
    "audio": Without(("soundfile",), decode_flac),
    "keras": Without(("keras",), write_keras),
    "onnx": Without(("onnx", "onnxruntime"), lambda run, folder: export(run, "onnx", folder / "model.onnx")),
    "openvino": Without(("openvino",), lambda run, folder: export(run, "openvino", folder / "openvino")),
    "ray": Without(("ray",), predict_at_scale),
    "serve": Without(("fastapi", "uvicorn"), lambda run, folder: command("serve", run)),
    "text": Without(("tokenizers",), train_bpe),
}


def test_every_extra_is_tried_here() -> None:
    assert set(EXTRAS) - FOR_DEVELOPERS - set(PREPARING) - set(FASTER) <= set(CASES)


@pytest.mark.parametrize("extra", sorted(set(CASES) & set(EXTRAS)))
def test_without_an_extra_the_error_says_how_to_install_it(
    extra: str, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in CASES[extra].modules:
        monkeypatch.setitem(sys.modules, module, None)  # importing it then fails as if it weren't installed
    with pytest.raises(FieldmarkError) as error:
        CASES[extra].use(tiny_run, tmp_path)
    assert f"pip install 'fieldmark[{extra}]'" in error.value.cure


def test_without_an_index_the_nearest_pictures_are_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    from fieldmark.predict import neighbours

    monkeypatch.setitem(sys.modules, FASTER["search"], None)
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 2)
    vectors = np.eye(4, dtype=np.float32)
    similarities, places = neighbours.Neighbours(vectors).nearest(np.array([[0.0, 3.0, 4.0, 0.0]]), 2)
    assert places.tolist() == [[2, 1]]
    assert similarities[0] == pytest.approx([0.8, 0.6])


@pytest.mark.parametrize("extra", PREPARING)
def test_what_an_extra_prepares_is_read_without_it(extra: str) -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(fieldmark.__file__).parent.rglob("*.py")]
    assert len(sources) > 100
    library = PREPARING[extra]
    assert not any(f"import {library}" in text or f"from {library} " in text for text in sources)


def test_every_extra_s_libraries_are_pinned_and_installed_for_development() -> None:
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    names = {
        extra: [requirement.partition(">=")[0].partition("[")[0] for requirement in requirements]
        for extra, requirements in EXTRAS.items()
    }
    for extra in set(EXTRAS) - FOR_DEVELOPERS:
        assert set(names[extra]) <= set(names["dev"]), extra
    assert set(names["dev"]) <= pinned
