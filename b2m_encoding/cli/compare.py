"""Command that compares two results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from b2m_encoding.cli.app import Subjects, app, console, short


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A results folder.", show_default=False)],
    second: Annotated[
        Path, typer.Argument(help="Another one; or the same, for two of its models.", show_default=False)
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Feature space, or joint, of both; given twice, one of each."),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Name of the first and, given again, of the second.")
    ] = None,
    subject: Subjects = None,
    region: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Region or region set; may be repeated.")
    ] = None,
    unpaired: Annotated[bool, typer.Option("--unpaired", help="Other people, even under the same labels.")] = False,
    regions_only: Annotated[
        bool, typer.Option("--regions-only", help="No comparison of targets, which needs one space.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("comparison"),
) -> None:
    """Compare two results: models, preprocessings or groups.

    Target by target and region by region; with tests, maps, tables and a page.
    """
    from b2m_encoding.comparison import compare_results, write_comparison
    from b2m_encoding.results.report.report_data import number

    found = compare_results(
        first, second, models=model or (), names=name or (), subjects=subject or (), regions=region or (),
        unpaired=unpaired, regions_only=regions_only,
    )  # fmt: skip
    page = write_comparison(found, out)
    a, b = (side.name for side in found.sides)
    table = Table("subject", "targets", f"r: {a}", f"r: {b}", f"{a} better", f"{b} better", "test")
    columns = ("subject", "predicted", "first", "second", "first_better", "second_better", "test")
    for row in found.summary().to_dict("records"):
        table.add_row(*(row[key] if isinstance(row[key], str) else number(row[key]) for key in columns))
    if found.targets:
        console.print(table)
    for note in found.notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False)
    console.print(f"page:  {short(page)}", soft_wrap=True, markup=False)
