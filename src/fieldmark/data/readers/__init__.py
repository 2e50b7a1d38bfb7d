"""Readers: one file per format, each yielding a ``Table`` and nothing else."""

from fieldmark.data.readers.coco import CocoReader
from fieldmark.data.readers.contract import Reader
from fieldmark.data.readers.cub import CubReader
from fieldmark.data.readers.flat import FlatReader
from fieldmark.data.readers.folders import FoldersReader
from fieldmark.data.readers.grocery import GroceryReader
from fieldmark.data.readers.ham10000 import Ham10000Reader
from fieldmark.data.readers.huggingface import HuggingFaceReader
from fieldmark.data.readers.idx import IdxReader
from fieldmark.data.readers.manifest import ManifestReader
from fieldmark.data.readers.parquet_shards import ParquetShardsReader
from fieldmark.data.readers.saved import SavedReader
from fieldmark.data.readers.text import TextReader
from fieldmark.data.readers.wav import WavReader
from fieldmark.data.readers.webdataset import WebDatasetReader

#: Reader name → reader, in the order in which they are asked whether they recognise a path.
READERS: dict[str, Reader] = {
    "table": SavedReader(),
    "parquet-shards": ParquetShardsReader(),
    "webdataset": WebDatasetReader(),
    "cub": CubReader(),
    "grocery": GroceryReader(),
    "ham10000": Ham10000Reader(),
    "idx": IdxReader(),
    "huggingface": HuggingFaceReader(),
    "coco": CocoReader(),
    "manifest": ManifestReader(),
    "wav": WavReader(),
    "folders": FoldersReader(),
    "flat": FlatReader(),
    "text": TextReader(),
}

__all__ = ["READERS", "Reader"]
