"""How a guide words its findings."""

from fieldmark.guide_results import Guide, Key, LookalikePair, Part, Tally
from fieldmark.report.wording import count, decimal, enumeration, percent, plural, when

#: Names of groups that a sentence lists before it only counts the others.
_LISTED = 3


def shortened(names: tuple[str, ...], limit: int = _LISTED) -> str:
    """List names as a sentence does, the last ones only counted: ``"a, b and 4 more"``."""
    if len(names) <= limit + 1:  # "1 more" is as long as its name
        return enumeration(names)
    return enumeration([*names[:limit], f"{len(names) - limit} more"])


def the(part: Part) -> str:
    """Name a part inside a sentence: ``"the wing bar"``, but ``"part 3"``."""
    return f"the {part.name}" if part.named else part.name


def tested(tally: Tally) -> str:
    """Say how a mark did on held-out pictures."""
    if not tally.total:
        return "Not put to the test: there are no held-out pictures."
    words = f"Points the right way in {count(tally.right)} of {plural(tally.total, 'picture')} never learned from"
    return f"{words}; hidden in {count(tally.hidden)}." if tally.hidden else f"{words}."


def reliability(tally: Tally) -> str:
    """Say how reliable a class's mark is against the lookalikes that it helps against."""
    if tally.share is None:
        return "not put to the test: no held-out pictures"
    words = f"right in {percent(tally.share, 0)} of held-out pictures"
    return f"{words}, hidden in {percent(tally.hidden / tally.total, 0)}" if tally.hidden else words


def reason(pair: LookalikePair) -> str:
    """Say why a pair is in the guide."""
    mixed = ""
    if pair.mistakes and pair.evaluated is not None:
        mixed = f"mixed up in {count(pair.mistakes)} of {plural(pair.evaluated, 'evaluated picture')}"
    kinds = {"confused": mixed, "nearest": "nearest to each other", "siblings": "of one group"}
    return kinds.get(pair.reason) or mixed or "alike"


def key_result(key: Key) -> str:
    """Say how far the key leads."""
    if not key.total:
        return "There are no held-out pictures to try the key on."
    return (
        f"Tried by the computer on {plural(key.total, 'picture')} never learned from: the key, one part at a time, "
        f"brings {percent(key.right / key.total)} of them to their class; the recogniser, which weighs all parts at "
        f"once, recognises {percent(key.recognised / key.total)}."
    )


def evidence_words(value: float) -> str:
    """Write log-odds with one decimal and their sign; what rounds to nothing has none."""
    words = decimal(abs(value), 1)
    return words if not float(words) else f"{'+' if value > 0 else '−'}{words}"


def naming(part: Part) -> str:
    """Return the command that names a part."""
    return f'fieldmark name-part RUN {part.number} "…"'


def facts(guide: Guide) -> list[tuple[str, str]]:
    """List where a guide comes from."""
    return [
        ("Marks taken from", f"split {enumeration(guide.mark_splits)}"),
        ("Put to the test on", f"split {guide.held_out_split}" if guide.held_out_split else "nothing"),
        ("Classes", count(len(guide.classes))),
        ("Parts", count(sum(not part.rest for part in guide.parts))),
        ("Data fingerprint", guide.fingerprint),
        ("Fieldmark", guide.fieldmark_version),
        ("Written", when(guide.made_at)),
    ]
