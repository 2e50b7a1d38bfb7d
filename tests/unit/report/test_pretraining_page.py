"""The report of a pretraining, from a result made by hand."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from fieldmark.errors import DataError
from fieldmark.pretraining_results import (
    RECONSTRUCTIONS,
    OutlierScore,
    PretrainingResult,
    ProbeScore,
    Reconstruction,
)
from fieldmark.records import BrokenRow, Interval
from fieldmark.report import write_pretraining_report
from fieldmark.report.curves import read_curves
from fieldmark.report.differences import MOST_LETTERS, Piece, compare_texts
from fieldmark.report.embedding import embedding
from fieldmark.report.probes import best_of, comparisons, probe_table, verdict

EVIL = '<script>alert("x")</script>'
THIN = "\u202f"


def score(features: str, probe: str, accuracy: float, half: float = 0.03) -> ProbeScore:
    return ProbeScore(
        features, probe, 256, accuracy, accuracy - 0.02, Interval(accuracy, accuracy - half, accuracy + half)
    )


GOOD = (
    score("pretrained", "linear", 0.604),
    score("pretrained", "attention", 0.721),
    score("untrained", "attention", 0.467),
    score("pca", "linear", 0.312),
    score("imagenet", "attention", 0.803),
)


def result(**changes: object) -> PretrainingResult:
    found = PretrainingResult(
        autoencoder="masked_conv",
        modality="pictures",
        fingerprint="0123456789abcdef",
        rows=1440,
        unlabelled=1200,
        epochs=40,
        test_error=0.1234,
        probes=GOOD,
        probe_train=240,
        probe_split="test",
        probe_rows=480,
        probe_classes=24,
        outliers=OutlierScore(("003.Marsh_Wren",), 0.83, 400, 40),
        token_accuracy=None,
        reconstructions=(
            Reconstruction("7", "001.House_Wren", 0.05, f"{RECONSTRUCTIONS}/a.png"),
            Reconstruction("8", None, 0.25, f"{RECONSTRUCTIONS}/b.png"),
        ),
        weights="none",
        feature_target="none",
        seed=3,
        cpu_hours=0.61,
        fieldmark_version="0.1.0",
        evaluated_at="2026-01-02T03:04:05+00:00",
        training={"epochs": 40, "seed": 3},
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def write(run: Path, found: PretrainingResult, *names: str) -> str:
    (run / RECONSTRUCTIONS).mkdir(parents=True, exist_ok=True)
    for name in names or ("a.png", "b.png"):
        Image.new("RGB", (288, 96), "teal").save(run / RECONSTRUCTIONS / name)
    found.save(run)
    return write_pretraining_report(run).read_text(encoding="utf-8")


def section(page: str, name: str) -> str:
    start = page.index(f'<section id="{name}">')
    return page[start : page.index("</section>", start)]


class Elements(HTMLParser):
    """Collects every element's attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def test_what_was_learned_comes_first_then_pictures_then_probes(tmp_path: Path) -> None:
    page = write(tmp_path / "my run", result())
    told = [
        "my run",
        "masked convolutional autoencoder learned from 1,440 pictures, without a single label",
        f"an attention probe tells the class of 72.1{THIN}% of 480 pictures it never saw",
        f"Guessing among 24 classes finds 4.2{THIN}%",
        "beat the untrained network by 25.4 points and PCA of the raw input by 40.9 points",
        "from scratch",
        "1,200 of them have none",
        'id="rebuilt"',
        "data:image/png;base64,",
        'id="probes"',
        'id="unknown"',
        'id="training"',
    ]
    places = [page.index(text, page.index("<h1>")) for text in told]
    assert places == sorted(places)


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    page = write(tmp_path, result())
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'" in page
    elements = Elements(page).found
    for tag, attributes in elements:
        assert tag not in ("link", "iframe", "object", "embed")
        for name, value in attributes.items():
            assert not re.search(r"^\s*//|https?:", value), (tag, name, value)
    assert {attributes["src"][:22] for tag, attributes in elements if tag == "img"} == {"data:image/png;base64,"}
    assert not re.search(r"url\(|@import|https?:", page)
    ids = {attributes.get("id") for _, attributes in elements}
    links = {attributes["href"] for tag, attributes in elements if tag == "a"}
    assert "#unknown" in links
    assert {link[1:] for link in links} <= ids
    assert all(attributes["alt"] for tag, attributes in elements if tag == "img")
    assert "House Wren: input, what was shown, and what was rebuilt" in page


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    found = result(
        autoencoder=EVIL,
        probes=(*GOOD, score(EVIL, EVIL, 0.5)),
        outliers=OutlierScore((EVIL,), 0.6, 4, 4),
        reconstructions=(Reconstruction(EVIL, EVIL, 0.1, EVIL),),
        weights=EVIL,
        feature_target=EVIL,
        training={EVIL: EVIL},
        broken=(BrokenRow(EVIL, EVIL, EVIL),),
        warnings=(EVIL,),
        probe_split=EVIL,
    )
    run = tmp_path / "<script>run"
    run.mkdir()
    (run / "log.csv").write_text(f'epoch,train_loss,"{EVIL.replace(chr(34), chr(34) * 2)}"\n1,1,3\n2,1,4\n')
    pages = [write(run, found)]
    evil_text = Reconstruction("1", EVIL, 0.1, text=f"{EVIL} a b", rebuilt=f"a c {EVIL}")
    pages.append(write(run, replace(found, modality="texts", reconstructions=(evil_text,))))
    pages.append(write(run, replace(found, modality=EVIL)))
    for page in pages:
        assert "<script>alert" not in page
        assert "<script>run" not in page
        assert "&lt;script&gt;" in page
        assert sum(tag == "script" for tag, _ in Elements(page).found) == 1


def test_a_missing_picture_keeps_its_shape_and_nothing_outside_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "secret.png")
    files = ("gone.png", "../../secret.png", "broken.png")
    found = result(reconstructions=tuple(Reconstruction(file, None, 0.1, file) for file in files))
    run = tmp_path / "run"
    (run / RECONSTRUCTIONS).mkdir(parents=True)
    (run / RECONSTRUCTIONS / "broken.png").write_bytes(b"no picture")
    pictures = [attributes for tag, attributes in Elements(write(run, found)).found if tag == "img"]
    assert len(pictures) == 3
    for attributes in pictures:
        assert attributes["src"].startswith("data:image/gif;base64,")
        assert attributes["style"] == f"aspect-ratio:{attributes['width']}/{attributes['height']}"
        assert int(attributes["width"]) == 3 * int(attributes["height"])
        assert "missing" in attributes["alt"]


def test_pictures_are_embedded_as_what_they_are(tmp_path: Path) -> None:
    for name, form in (("a.png", "JPEG"), ("b.jpg", "PNG"), ("c.png", "TIFF")):
        Image.new("RGB", (9, 3)).save(tmp_path / name, form)
    embed = embedding(tmp_path, (30, 10))
    assert [embed(name).address[:14] for name in ("a.png", "b.jpg")] == ["data:image/jpe", "data:image/png"]
    assert (embed("a.png").width, embed("a.png").height) == (9, 3)
    assert embed("c.png").missing
    assert (embed("").width, embed("").height) == (30, 10)


def test_the_panels_of_sounds_are_stacked(tmp_path: Path) -> None:
    page = write(tmp_path, result(modality="sounds"))
    assert '<div class="rebuilt stacked">' in page
    assert "Sounds that it did not train on" in page
    assert '<div class="rebuilt">' in write(tmp_path, result())


def test_more_than_a_few_pictures_unfold(tmp_path: Path) -> None:
    many = tuple(Reconstruction(str(index), None, 0.1, "a.png") for index in range(10))
    rebuilt = section(write(tmp_path, result(reconstructions=many)), "rebuilt")
    shown, unfolding = rebuilt.split("<details>")
    assert (shown.count("<img"), unfolding.count("<img")) == (6, 4)
    assert "4 more" in unfolding


def test_texts_stand_side_by_side_with_their_differences_marked(tmp_path: Path) -> None:
    texts = (
        Reconstruction("1", "card_arrival", 0.5, text="Where is my new card?", rebuilt="Where is my old card now?"),
        Reconstruction("2", None, 0.1, text="Help me please", rebuilt="Help please"),
        Reconstruction("3", None, 0.0, text="Hello", rebuilt="Hello"),
        Reconstruction("4", None, 9.0, text="Hello", rebuilt=""),
    )
    rebuilt = section(write(tmp_path, result(modality="texts", reconstructions=texts, token_accuracy=0.873)), "rebuilt")
    assert "<dd>Where is my <mark>new</mark> card?</dd>" in rebuilt
    assert "<dd>Where is my <mark>old</mark> card<ins> now</ins>?</dd>" in rebuilt
    assert "<dd>Help <del>me </del>please</dd>" in rebuilt
    assert rebuilt.count("word for word") == 1
    assert "<i>nothing</i>" in rebuilt
    assert "<img" not in rebuilt
    assert f"87.3{THIN}%" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_pieces_add_up_to_the_texts() -> None:
    before, after = "a,  b\tc — d e", "b c — x d, e f"
    compared = compare_texts(before, after)
    assert "".join(piece.text for piece in compared.before) == before
    assert "".join(piece.text for piece in compared.after) == after
    assert {piece.mark for piece in compared.before} <= {"", "del", "mark"}
    assert {piece.mark for piece in compared.after} <= {"", "ins", "mark"}
    assert compare_texts("same", "same").before == (Piece("same"),)
    assert len(compare_texts("x" * 5000, "").before[0].text) == MOST_LETTERS + 1


def test_the_table_compares_features_and_marks_the_best_of_each_probe(tmp_path: Path) -> None:
    table = probe_table((*GOOD[::-1], score("new", "linear", 0.9)))
    assert [name for name, _ in table.columns] == ["Linear", "Attention"]
    assert [row.name for row in table.rows] == [
        "This pretraining",
        "Untrained network",
        "PCA",
        "ImageNet network",
        "new",
    ]
    best = [[None if cell is None else cell.best for cell in row.cells] for row in table.rows]
    assert best == [[False, False], [None, False], [False, None], [None, True], [True, None]]
    probes = section(write(tmp_path, result()), "probes")
    assert re.findall(r'<b class="score">([\d.]+)', probes) == ["60.4", "80.3"]
    assert probes.count("not measured") == 3
    assert f"69.1{THIN}% to 75.1{THIN}%" in probes
    assert probes.count('class="chance" style="left:4.17%"') == len(GOOD)
    assert "The network is frozen" in probes
    assert 'class="whisker" style="left:69.1%;width:6.0%"' in probes


def test_the_sentence_tells_by_how_many_points_it_beats_others() -> None:
    (sentence,) = verdict(GOOD)
    assert sentence.text == (
        "The pretrained features beat the untrained network by 25.4 points and PCA of the raw input by 40.9 points."
    )
    assert sentence.tone == "good"


def test_the_sentence_admits_what_is_not_beaten(tmp_path: Path) -> None:
    poor = (
        score("pretrained", "linear", 0.40),
        score("untrained", "linear", 0.385),
        score("pca", "linear", 0.50),
        score("tfidf", "svm", 0.41),
        score("imagenet", "linear", 0.9),
    )
    chance, pca, tfidf = verdict(poor)
    assert chance.text == (
        "The pretrained features are ahead of the untrained network by 1.5 points, which may be chance: "
        "the 95 % intervals overlap."
    )
    assert pca.text == f"They do not beat PCA of the raw input: it finds 10.0 points more (50.0{THIN}%)."
    assert tfidf.text.startswith("They do not beat TF-IDF: it finds 1.0 points more")
    assert tfidf.text.endswith("which may be chance: the 95 % intervals overlap.")
    assert [sentence.tone for sentence in (chance, pca, tfidf)] == ["", "bad", "bad"]
    page = write(tmp_path, result(probes=poor))
    assert '<b class="verdict bad">They do not beat PCA' in page
    assert "beat the untrained network by" not in page


def test_a_network_that_learned_nothing_is_no_success(tmp_path: Path) -> None:
    same = (score("pretrained", "linear", 0.4), score("untrained", "linear", 0.4))
    (sentence,) = verdict(same)
    assert sentence.text == f"The pretrained features do not beat the untrained network: both find 40.0{THIN}%."
    page = write(tmp_path, result(probes=(score("pretrained", "linear", 0.3), score("untrained", "linear", 0.4))))
    tile = page[page.index('<div class="tile alert">') :]
    assert "\u221210.0" in tile[: tile.index("</div>")]


def test_each_kind_of_features_is_read_in_the_way_that_suits_it_best() -> None:
    assert best_of(GOOD, "pretrained") == GOOD[1]
    assert [entry.other for entry in comparisons(GOOD)] == [GOOD[2], GOOD[3]]
    assert comparisons(GOOD[2:]) == ()
    assert verdict(GOOD[2:]) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"feature_target": "mobilenetv2"}, "The network learned to predict the features of mobilenetv2."),
        ({"weights": "hub"}, "The network began with the weights hub."),
    ],
)
def test_features_learned_elsewhere_are_named(tmp_path: Path, changes: dict[str, str], words: str) -> None:
    page = write(tmp_path, result(**changes))
    assert '<span class="key wrong">uses ImageNet-trained features</span>' in page
    assert words in page
    assert '<span class="key right">from scratch' not in page
    pure = write(tmp_path, result())
    assert '<span class="key right">from scratch</span>' in pure
    assert "uses ImageNet-trained features" not in pure


def test_unknown_classes_are_told_in_words(tmp_path: Path) -> None:
    unknown = section(write(tmp_path, result()), "unknown")
    assert "Held out of the training: Marsh Wren." in unknown
    assert "in 83 of 100 such pairs the unknown one is rebuilt worse" in unknown
    assert "0.830" in unknown
    worse = write(tmp_path, result(outliers=OutlierScore(("a",), 0.41, 4, 4)))
    assert "worse than a coin&#39;s toss" in section(worse, "unknown")


def test_empty_states_are_said_kindly(tmp_path: Path) -> None:
    empty = result(
        probes=(),
        probe_split="",
        probe_train=0,
        probe_rows=0,
        probe_classes=0,
        test_error=None,
        outliers=None,
        reconstructions=(),
        unlabelled=1440,
        cpu_hours=None,
        training={},
    )
    page = write(tmp_path, empty)
    assert "No probe: the data has no labels" in section(page, "probes")
    assert "no picture was kept out of the training" in section(page, "rebuilt")
    assert "There is no test split to measure it on." in page
    assert "No label was used; there is none." in page
    assert "No training log lies beside this run." in page
    assert "None: every picture was read." in page
    assert 'id="unknown"' not in page
    assert 'href="#unknown"' not in page
    assert 'class="verdict' not in page


def test_warnings_broken_rows_and_facts_are_shown(tmp_path: Path) -> None:
    found = result(warnings=("few labels",), broken=(BrokenRow("5", "images/5.jpg", "truncated after 12 bytes"),))
    page = write(tmp_path, found)
    assert '<p class="warning"><b>Note.</b> few labels</p>' in page
    assert "truncated after 12 bytes" in section(page, "broken")
    again = section(page, "again")
    for fact in ("0123456789abcdef", "none: trained from scratch", "<dd>3</dd>", "0.61", "2026-01-02 03:04:05 UTC"):
        assert fact in again
    assert "All 2 training options" in again


def log(folder: Path, columns: str, *rows: str) -> Path:
    path = folder / "log.csv"
    start, end = "epoch,stage,resolution,learning_rate,train_loss,val_loss", "seconds,images_per_second"
    lines = [f"{epoch},main,96,0.1,{row},1.2,300" for epoch, row in enumerate(rows, start=1)]
    path.write_text("\n".join([f"{start},{columns},{end}", *lines]))
    return path


def test_every_term_of_the_loss_gets_a_curve(tmp_path: Path) -> None:
    columns = "pixels,features,token_accuracy,sharp_edges"
    path = log(tmp_path, columns, "0.9,,0.5,0.4,0.25,7", "0.7,0.8,0.4,0.3,0.5,8")
    charts = read_curves(path)
    assert [chart.title for chart in charts] == [
        "Loss",
        "Error of the hidden pixels",
        "Distance from the target network's features",
        "Tokens written right",
        "sharp edges",
    ]
    assert [line.name for line in charts[0].lines] == ["training"]  # one value of val_loss is no curve
    assert charts[3].lines[0].last == f"50{THIN}%"
    page = write(tmp_path, result())
    assert all(chart.lines[0].points in page for chart in charts)


def test_a_term_that_is_the_whole_loss_is_drawn_once(tmp_path: Path) -> None:
    path = log(tmp_path, "reconstruction", "0.90001,1,0.9", "0.7,0.8,0.7")
    assert [chart.title for chart in read_curves(path)] == ["Loss"]
    assert read_curves(tmp_path / "none.csv") == ()


def test_a_run_that_was_not_pretrained_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Finish the pretraining"):
        write_pretraining_report(tmp_path)
