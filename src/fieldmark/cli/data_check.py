"""`fieldmark data check`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fieldmark.cli.evaluate import ResultFormat
from fieldmark.cli.terminal import CacheFolder, Quiet, ReaderName, cache_folder, open_terminal


class DroppedOnDemand(StrEnum):
    """What `--fix` drops only where it is asked to."""

    SUSPECTS = "suspects"
    GROUPS = "groups"


WeightsFile = Annotated[
    Path | None, typer.Option(help="Embed the pictures with this network: a safetensors file.", show_default="none")
]
RunFolder = Annotated[
    Path | None, typer.Option(help="Embed the pictures with the network of this run.", show_default="none")
]
Backbone = Annotated[
    str | None, typer.Option(help="The network that --weights belong to.", show_default="the file's name")
]
Mean = Annotated[
    str | None, typer.Option(metavar="R,G,B", help="Mean that --weights want.", show_default="the network's")
]
Deviation = Annotated[
    str | None, typer.Option(metavar="R,G,B", help="Deviation that --weights want.", show_default="the network's")
]
Device = Annotated[str, typer.Option(help="Where the network runs: cpu, cuda ...")]
AuditFolder = Annotated[Path | None, typer.Option(help="Folder for the audit's record and page.", show_default="none")]
NewTable = Annotated[
    Path | None,
    typer.Option(help="Write a new table (.parquet) without the faults; no picture is touched.", show_default="none"),
]
AlsoDropped = Annotated[
    list[DroppedOnDemand] | None,
    typer.Option(help="What --fix drops besides; may be repeated.", show_default="nothing"),
]


def data_check(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="Folder or file of pictures.")],
    reader: ReaderName = None,
    weights: WeightsFile = None,
    run: RunFolder = None,
    backbone: Backbone = None,
    mean: Mean = None,
    std: Deviation = None,
    device: Device = "cpu",
    out: AuditFolder = None,
    fix: NewTable = None,
    drop: AlsoDropped = None,
    output: Annotated[ResultFormat, typer.Option("--format", help="How to print the result.")] = ResultFormat.TABLE,
    cache: CacheFolder = None,
    quiet: Quiet = False,
) -> None:
    """Say what is in a data set and what is wrong with it.

    Every picture is decoded. Copies inside and across splits, groups on both sides of a split, blurred and dark
    pictures, classes of a single source are looked for; with a network (--weights or --run) also copies that were cut,
    odd pictures and labels that look wrong. The exit code is 0 where all is well and 1 where faults were found.

    Examples:
      fieldmark data check photos/
      fieldmark data check photos/ --weights mobilenetv2_100.safetensors --out audit/
      fieldmark data check photos/ --run runs/first --fix clean.parquet --drop suspects
      fieldmark data check CUB_200_2011/ --reader cub --format json > check.json
    """
    terminal = open_terminal(context, quiet)

    from fieldmark.audit import audit_table, repair_table, save_repair
    from fieldmark.audit.repair import check_place
    from fieldmark.cli.audit_output import network_for, print_audit, print_repair
    from fieldmark.data.reading import read_table

    if fix is not None:
        check_place(fix)
    network = network_for(weights, run, backbone, mean, std, device)
    table = read_table(path, reader=reader)
    with terminal.bars() as bars:
        result = audit_table(table, cache=cache_folder(cache), network=network, out=out, progress=bars.update)
    if output is ResultFormat.JSON:
        terminal.result(result.to_json())
    else:
        print_audit(terminal, result)
    if out is not None:
        from fieldmark.report import write_audit_page

        terminal.note(f"Page: {write_audit_page(out)}")
    if fix is not None:
        repair = repair_table(table, result, [kind.value for kind in drop or ()])
        print_repair(terminal, repair, fix, save_repair(repair, fix), as_json=output is ResultFormat.JSON)
    if result.faults:
        raise typer.Exit(1)
