from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fieldmark.errors import BundleError
from fieldmark.models.bundle import INFO_FILE
from fieldmark.models.reference import REFERENCE_FILE, Reference, chosen_rows, load_reference, save_reference


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / INFO_FILE).write_text("{}")
    return tmp_path


def test_reference_pictures_come_back(bundle: Path) -> None:
    embeddings = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    assert load_reference(bundle) is None
    save_reference(bundle, Reference(embeddings, np.array([0, 1, 1, 2, 0]), ("a", "b", "c", "d", "élan")))
    found = load_reference(bundle)
    assert found is not None
    assert np.linalg.norm(found.embeddings, axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    cosines = (found.embeddings * embeddings).sum(1) / np.linalg.norm(embeddings, axis=1)
    assert cosines == pytest.approx(np.ones(5), abs=1e-4)
    assert found.labels.tolist() == [0, 1, 1, 2, 0]
    assert found.ids == ("a", "b", "c", "d", "élan")
    assert load_file(bundle / REFERENCE_FILE)["embeddings"].dtype == np.float16
    assert {path.name for path in bundle.iterdir()} == {INFO_FILE, REFERENCE_FILE}


def test_a_damaged_file_is_refused(bundle: Path) -> None:
    (bundle / REFERENCE_FILE).write_bytes(b"nonsense")
    with pytest.raises(BundleError, match=REFERENCE_FILE):
        load_reference(bundle)


def test_each_class_keeps_a_bounded_number_of_rows() -> None:
    labels = np.array([0] * 10 + [1] * 3 + [2] * 7)
    kept = chosen_rows(labels, 4)
    assert np.bincount(labels[kept]).tolist() == [4, 3, 4]
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert kept.tolist() != chosen_rows(labels, 4, seed=1).tolist()
    assert chosen_rows(np.empty(0, np.int64), 4).tolist() == []
