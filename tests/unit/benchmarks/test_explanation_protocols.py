"""The protocols of the benchmark of explanations, on birds of blocks and recognisers whose sums are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from attributions import EvidenceMaps, InputTimesGradient, one_hot, versus
from explained_birds import Bird, Individual, draw_individuals
from explanation_protocols import (
    Called,
    Tally,
    accuracy,
    first_mark,
    mark_protocols,
    occlusion_safety,
    part_of,
    part_protocols,
    scores,
)
from fieldmark.records import Preprocessing
from fieldmark.synthetic import MARK_PARTS
from part_stand_ins import CLASSES, SIDE, bundle_info, colour_reader

VARYING = ("crown", "wing bar")
SPECIES = ("plain", "crowned", "barred", "both")
PRESENT, ABSENT, LEAVES = 250, 50, 7


def block(mark: str) -> tuple[slice, slice]:
    row, column = divmod(MARK_PARTS.index(mark), 3)
    return slice(2 + 10 * row, 5 + 10 * row), slice(2 + 10 * column, 5 + 10 * column)


def individual() -> Individual:
    """Four birds of nine blocks on grey; the two varying ones tell the species apart."""
    birds = []
    for place, name in enumerate(SPECIES):
        pixels = np.full((32, 32, 3), 128, np.uint8)
        masks, hidden = {}, {}
        for mark in MARK_PARTS:
            there = mark in VARYING and place >> VARYING.index(mark) & 1
            pixels[block(mark)] = PRESENT if there else ABSENT
            masks[mark] = np.zeros((32, 32), np.bool_)
            masks[mark][block(mark)] = True
        for mark in MARK_PARTS:
            hidden[mark] = pixels.copy()
            hidden[mark][block(mark)] = LEAVES
        birds.append(Bird(name, pixels, masks, hidden, frozenset(MARK_PARTS)))
    return Individual(tuple(birds), VARYING)


class Oracle:
    """Adds up what the two varying blocks say: +1 for the mark, -1 for its absence, nothing where leaves are.

    Args:
        careless: takes leaves for the mark's absence.
    """

    names, additive = ("whole picture",), True
    info = SimpleNamespace(classes=SPECIES, lineage={name: ("genus", name) for name in SPECIES})

    def __init__(self, *, careless: bool = False) -> None:
        self.careless = careless

    def said(self, pixels: np.ndarray) -> np.ndarray:
        """Return what each varying mark says (B, 2)."""
        values = np.stack([pixels[:, block(mark)[0].start, block(mark)[1].start, 0] for mark in VARYING], 1).astype(int)
        absent = (values == ABSENT) | (self.careless & (values == LEAVES))
        return (values == PRESENT).astype(float) - absent

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """Return the logits (B, 4)."""
        signs = np.array([[1 if place >> bit & 1 else -1 for place in range(4)] for bit in range(2)])
        return 4 * self.said(pixels) @ signs

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the softmax."""
        weights = np.exp(logits)
        return weights / weights.sum(1, keepdims=True)


def attribute(pixels: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Say of every pixel of a varying block what it adds: the truth of the oracle."""
    maps = np.zeros(pixels.shape[:3], np.float32)
    said = Oracle().said(pixels)
    for bit, mark in enumerate(VARYING):
        sign = sum(target[place] * (1 if place >> bit & 1 else -1) for place in range(4))
        maps[(slice(None), *block(mark))] = (4 * said[:, bit] * sign / 9)[:, None, None]
    return maps


def misled(pixels: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Say the same of the legs, which say nothing, and nothing else."""
    maps = np.zeros(pixels.shape[:3], np.float32)
    maps[(slice(None), *block("legs"))] = 1
    return maps


def test_a_true_attribution_of_a_perfect_recogniser_scores_all_that_the_protocol_allows() -> None:
    found = scores(part_protocols(Oracle(), [individual()], attribute))
    assert found["correctness"] == pytest.approx(1.0)
    assert found["contrastivity"] == 1.0
    assert {name: found[name] for name in ("CSDC", "PC", "DC", "D")} == {"CSDC": 1, "PC": 1, "DC": 0.75, "D": 1}
    assert found["completeness"] == pytest.approx(((1 + 1 + 0.75) / 3 + 1) / 2)


def test_an_attribution_that_points_elsewhere_scores_low() -> None:
    found = scores(part_protocols(Oracle(), [individual()], misled))
    assert found["CSDC"] == 0
    assert found["DC"] == 0
    assert found["D"] == pytest.approx(1 - 1 / 7)
    assert found["PC"] == pytest.approx(0.25)  # with both marks gone, only the first species is still called so
    assert found["correctness"] < 0.5
    assert found["contrastivity"] == 0


def test_a_mark_is_named_where_the_maximum_lies_on_it() -> None:
    tally = mark_protocols_of({"true": attribute, "misled": misled})
    assert tally.means()["pointing true"] == 1
    assert tally.means()["pointing misled"] == 0
    assert tally.counts["pointing true"] == 8  # four pairs that differ in one mark, both ways


def test_removing_the_mark_costs_more_than_removing_as_much_elsewhere() -> None:
    means = mark_protocols_of({"true": attribute, "misled": misled}).means()
    assert means["removal true"] == 1
    assert means["removal misled"] == 0
    assert "first part" not in means  # one part only: nothing to rank


def mark_protocols_of(methods: dict[str, object]) -> Tally:
    class Reading(Oracle):
        def read(self, pixels: np.ndarray) -> SimpleNamespace:
            return SimpleNamespace(logits=self.logits(pixels))

    return mark_protocols(Reading(), [individual()], methods)


def safety(*, careless: bool = False, certain_from: float = 0.9) -> Tally:
    oracle = Oracle(careless=careless)

    def call(pixels: np.ndarray) -> Called:
        probabilities = oracle.probabilities(oracle.logits(pixels))
        return Called(
            probabilities, [SPECIES[row.argmax()] if row.max() > certain_from else None for row in probabilities]
        )

    return occlusion_safety(call, oracle.info, [individual()])


def test_a_careful_recogniser_is_sure_of_nothing_wrong_when_a_mark_is_hidden() -> None:
    careful = safety()
    assert careful.means() == {"unsafe": 0, "unsafe decision": 0, "right hidden": 0.5}  # of two alike it names one
    assert careful.counts["unsafe"] == 8


def test_a_careless_recogniser_is_sure_of_a_wrong_class_when_a_mark_is_hidden() -> None:
    # every mark that is there and hidden
    assert safety(careless=True).means() == {"unsafe": 0.5, "unsafe decision": 0.5, "right hidden": 0.5}


def test_a_wrong_name_below_the_decision_rule_s_threshold_is_not_certain() -> None:
    assert safety(careless=True, certain_from=1).means()["unsafe decision"] == 0


def test_the_true_genus_given_as_certain_is_no_wrong_name() -> None:
    def call(pixels: np.ndarray) -> Called:
        return Called(np.eye(4)[np.zeros(len(pixels), int)], ["genus"] * len(pixels))

    assert occlusion_safety(call, Oracle.info, [individual()]).means()["unsafe decision"] == 0


def test_accuracy_counts_species_and_genus() -> None:
    assert accuracy(Oracle(), [individual()]).means() == {
        "called rightly": 1,
        "called rightly within the genus": 1,
    }


def test_the_part_of_a_mark_is_the_one_that_most_of_it_belongs_to() -> None:
    maps = np.zeros((4, 4, 4), np.float32)
    maps[0, 2:] = 0.9  # is elsewhere
    maps[1, 0, :] = 0.6  # most of the mark is its
    maps[2, 0, 0] = 0.1  # is hardly in the picture; what there is of it lies on the mark
    mask = np.zeros((32, 32), np.bool_)
    mask[:6, :6] = True
    assert part_of(maps, mask) == 1


def test_the_first_mark_is_the_one_with_the_most_attribution_on_it() -> None:
    bird = individual().birds[0]
    seen = sorted(bird.visible)
    wanted, other = (next(mark for mark in seen[start:] if bird.masks[mark].any()) for start in (0, 1))
    attributed = 3.0 * bird.masks[wanted] / bird.masks[wanted].sum() + bird.masks[other] / bird.masks[other].sum()
    assert first_mark(attributed.astype(np.float32), bird, {}) == wanted
    everywhere = np.ones_like(bird.masks[wanted])
    assert first_mark(attributed.astype(np.float32), bird, {other: everywhere}) == other


@pytest.fixture(scope="module")
def drawn() -> Individual:
    (found,) = draw_individuals(4, 1, 48, Preprocessing(48), first=1_000_000)
    return found


def test_individuals_differ_in_their_marks_alone(drawn: Individual) -> None:
    assert drawn.varying == VARYING
    assert [bird.species.split()[0] for bird in drawn.birds] == ["Ashmere", "Colwick", "Dunvale", "Harrowby"]
    assert len(list(drawn.pairs())) == 8
    for one, other, mark in drawn.pairs():
        assert (one.pixels != other.pixels).any()
        assert (one.without([mark]) == other.without([mark])).all()
    plain, both = drawn.birds[0], drawn.birds[3]
    differ = (plain.without(VARYING) != both.without(VARYING)).any(2)
    assert differ.mean() < 0.002  # where the edges of both marks' leaves meet
    assert (plain.without([]) == plain.pixels).all()


def test_evidence_maps_add_up_to_the_evidence() -> None:
    reader = colour_reader(rest=True)
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    target = versus(len(CLASSES), 0, 2)
    maps = EvidenceMaps(reader._recognizer, bundle_info())(pixels, target)
    assert maps.shape == (2, SIDE, SIDE)
    assert maps.sum((1, 2)) == pytest.approx((reader.logits(pixels) - reader.bias) @ target, abs=1e-4)


def test_input_times_gradient_is_exact_for_a_linear_recogniser() -> None:
    reader = colour_reader()
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    maps = InputTimesGradient(reader._recognizer, bundle_info())(pixels, one_hot(len(CLASSES), 1))
    assert maps.sum((1, 2)) == pytest.approx((reader.logits(pixels) - reader.bias)[:, 1], abs=1e-4)
    assert torch.is_grad_enabled()


def test_the_four_species_have_neither_one_or_both_marks(drawn: Individual) -> None:
    one, other = drawn.varying
    assert [[drawn.has(bird, mark) for mark in (one, other)] for bird in drawn.birds] == [
        [False, False],
        [True, False],
        [False, True],
        [True, True],
    ]
