"""Commands of pretrained networks: what is here, and fetching weights."""

from __future__ import annotations

from typing import Annotated

import typer

from b2m_encoding.cli.app import app, console

models = typer.Typer(no_args_is_help=True, help="Pretrained networks: what is here, and fetching their weights.")
app.add_typer(models, name="models")


@models.command("list")
def list_models() -> None:
    """List the models: whether their weights are here or how to get them, licence, what they take and give."""
    from b2m_encoding.features.weights import catalogue, is_here

    for entry in catalogue().values():
        console.print(f"{entry.name}: {entry.title}", style="bold", markup=False)
        weights = "here" if is_here(entry) else f"missing; {entry.command}"
        licence = f"{entry.licence}; commercial use: {entry.commercial_use}"
        rows = {"weights": f"{weights} ({entry.size})", "licence": licence, "gives": entry.output, "for": entry.role}
        for key, value in rows.items():
            console.print(f"  {key + ':':<9} {value}", soft_wrap=True, markup=False)


@models.command("fetch")
def fetch_model(
    name: Annotated[str, typer.Argument(help="A name of the list, or a repository of huggingface.co.")],
    revision: Annotated[str | None, typer.Option(help="Commit, tag or branch, instead of the known one.")] = None,
    allow_pickle: Annotated[bool, typer.Option("--allow-pickle", help="Convert pickled weights, once.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Download the weights of a model, with a record of their commit and hashes; all other commands work offline."""
    from b2m_encoding.features.weights import entry_of
    from b2m_encoding.features.weights.fetch import Fetch

    fetching = Fetch(entry_of(name, revision), allow_pickle)
    console.print(fetching.describe(), markup=False, soft_wrap=True)
    if not yes and not typer.confirm("Fetch?"):
        raise typer.Exit(1)
    console.print(f"fetched to {fetching.run()}", soft_wrap=True, markup=False)
