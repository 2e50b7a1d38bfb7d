import xml.etree.ElementTree as ET
from pathlib import Path

from line_chart import HEIGHT, WIDTH, Chart, write_charts

SVG = "{http://www.w3.org/2000/svg}"
LINES = {
    "few & many": {"0": (10.0, None), "5": (20.0, 2.0), "all": (40.0, 1.0)},
    "gaps": {"5": (30.0, None)},
    "nothing": {},
}


def drawn(path: Path, *charts: Chart) -> ET.Element:
    write_charts(path, charts)
    return ET.fromstring(path.read_text(encoding="utf-8"))


def test_higher_values_stand_higher_and_steps_go_right(tmp_path: Path) -> None:
    root = drawn(tmp_path / "new" / "a.svg", Chart("top-1 (%)", ("0", "5", "all"), LINES, "annotated"))
    lines = root.iter(f"{SVG}polyline")
    points = [[tuple(map(float, point.split(","))) for point in line.attrib["points"].split()] for line in lines]
    assert [len(line) for line in points] == [3, 1]
    assert [x for x, _ in points[0]] == sorted(x for x, _ in points[0])
    assert [y for _, y in points[0]] == sorted((y for _, y in points[0]), reverse=True)
    assert points[1][0][0] == points[0][1][0]
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {"top-1 (%)", "0", "5", "all", "annotated", "few & many", "gaps"} <= texts
    assert "nothing" not in texts


def test_charts_without_values_take_no_place(tmp_path: Path) -> None:
    full, empty = Chart("a", ("0", "5", "all"), LINES, ""), Chart("b", ("0",), {"x": {}}, "")
    root = drawn(tmp_path / "a.svg", full, empty, full, full)
    assert (root.attrib["width"], root.attrib["height"]) == (str(2 * WIDTH), str(2 * HEIGHT))
    assert [file.name for file in tmp_path.iterdir()] == ["a.svg"]
