"""The catalogue: every pair of a genus differs in one or two marks that exist."""

from itertools import combinations

import pytest

from fieldmark.errors import ConfigError
from fieldmark.synthetic import MARK_PARTS, MAX_SPECIES, lookalike_pairs, marks_between, species_catalogue
from fieldmark.synthetic.species import MARK_VALUES


def test_every_pair_of_a_genus_differs_in_one_or_two_marks():
    species = species_catalogue(MAX_SPECIES)
    pairs = lookalike_pairs(species)
    assert len(pairs) == MAX_SPECIES // 4 * 6
    for a, b, marks in pairs:
        assert a.genus is b.genus
        assert 1 <= len(marks) <= 2
        assert all(a.marks[mark] != b.marks[mark] for mark in marks)
        assert all(a.marks[part] == b.marks[part] for part in MARK_PARTS if part not in marks)


def test_species_have_unique_names_and_known_marks():
    species = species_catalogue(MAX_SPECIES)
    assert len({s.name for s in species}) == MAX_SPECIES >= 24
    for s in species:
        assert tuple(s.marks) == MARK_PARTS
        assert all(s.marks[part] in MARK_VALUES[part] for part in MARK_PARTS)


def test_genera_differ_in_build():
    genera = {s.genus.name: s.genus for s in species_catalogue(MAX_SPECIES)}
    assert all(a.build != b.build for a, b in combinations(genera.values(), 2))


def test_every_part_is_a_separating_mark_somewhere_in_the_default_set():
    used = {mark for *_, marks in lookalike_pairs(species_catalogue(24)) for mark in marks}
    assert used == set(MARK_PARTS)


def test_a_smaller_catalogue_begins_a_larger_one():
    assert [s.name for s in species_catalogue(30)][:7] == [s.name for s in species_catalogue(7)]


@pytest.mark.parametrize("count", [-1, 0, 1, MAX_SPECIES + 1])
def test_a_count_out_of_range_names_the_range(count):
    with pytest.raises(ConfigError, match=f"2 to {MAX_SPECIES}"):
        species_catalogue(count)


def test_with_mark_changes_that_mark_alone():
    species = species_catalogue(2)[0]
    changed = species.with_mark("tail", "forked")
    assert marks_between(species, changed) == ("tail",)
    assert species.marks["tail"] == "plain"


def test_with_mark_lists_what_there_is():
    species = species_catalogue(2)[0]
    with pytest.raises(ConfigError, match="eye ring"):
        species.with_mark("eyering", "white")
    with pytest.raises(ConfigError, match="Did you mean 'white'"):
        species.with_mark("eye ring", "whit")
