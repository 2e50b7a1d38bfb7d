"""What commands print of decisions: the rule, and how far it held."""

from typing import TYPE_CHECKING

from fieldmark.cli.terminal import Terminal, percent

if TYPE_CHECKING:
    from fieldmark.decide import DecisionRule
    from fieldmark.results import DecisionResult


def print_rule(terminal: Terminal, rule: "DecisionRule") -> None:
    """Print a rule as a table."""
    rows = [
        ["fitted on", f"{rule.rows:,} pictures of {rule.source}"],
        ["coverage of the sets", percent(rule.coverage)],
        ["unknown above", f"{rule.novelty_threshold:.3g} ({rule.score})"],
        ["known pictures kept", percent(rule.known_share)],
        ["names right", percent(rule.precision)],
    ]
    rows += [
        [f"certain of {rank} from", "never" if value is None else percent(value)]
        for rank, value in rule.rank_thresholds.items()
    ]
    rows += [
        [
            f"{point.name} flagged from",
            f"{percent(point.threshold)} (sensitivity {percent(point.sensitivity)}, "
            f"specificity {percent(point.specificity)})",
        ]
        for point in rule.operating_points
    ]
    terminal.table(["decision", "value"], rows)


def decision_rows(found: "DecisionResult") -> list[list[str]]:
    """Return measure, value and what was promised, of how far decisions held."""
    rows = [
        ["sets that hold the true class", percent(found.coverage), percent(found.promised_coverage)],
        ["class coverage gap", f"{100 * found.class_gap:.1f} points", ""],
        ["mean size of a set", f"{found.mean_size:.2f}", ""],
        ["known pictures rejected", percent(found.rejected), percent(found.promised_rejected)],
        ["names given that are right", percent(found.precision), percent(found.promised_precision)],
    ]
    rows += [[f"named at rank {rank.name}", percent(rank.named), ""] for rank in found.ranks]
    rows.append(["not named at any rank", percent(found.unnamed), ""])
    for flag in found.flags:
        rows.append([f"{flag.name} flagged (sensitivity)", percent(flag.sensitivity), flag.chosen_for])
        rows.append([f"others not flagged as {flag.name}", percent(flag.specificity), ""])
    return rows
