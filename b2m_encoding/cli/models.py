"""Commands of pretrained networks: list of models, and download of weights."""

from __future__ import annotations

from typing import Annotated

import typer

from b2m_encoding.cli.app import app, console

models = typer.Typer(no_args_is_help=True, help="Pretrained networks: list them, and fetch their weights.")
app.add_typer(models, name="models")


@models.command("list")
def list_models() -> None:
    """List the pretrained models and how to get them.

    With licence, inputs and outputs, and networks of a study.
    """
    from b2m_encoding.features.networks import NETWORKS
    from b2m_encoding.features.weights import catalogue, is_installed

    for entry in catalogue().values():
        console.print(f"{entry.name}: {entry.title}", style="bold", markup=False)
        weights = "installed" if is_installed(entry) else f"missing; {entry.command}"
        licence = f"{entry.licence}; commercial use: {entry.commercial_use}"
        rows = {"weights": f"{weights} ({entry.size})", "licence": licence, "output": entry.output, "use": entry.role}
        for key, value in rows.items():
            console.print(f"  {key + ':':<9} {value}", soft_wrap=True, markup=False)
    console.print("Networks that a study can name:", style="bold", markup=False)
    for name, network in NETWORKS.items():
        inputs = " and ".join(kind for kind in ("audio", "text") if getattr(network, kind))
        console.print(f"  {name}: {network.description} ({inputs})", soft_wrap=True, markup=False)


@models.command("fetch")
def fetch_model(
    name: Annotated[str, typer.Argument(help="A name of the list, or a repository of huggingface.co.")],
    revision: Annotated[
        str | None, typer.Option(help="Commit, tag or branch, instead of that of the catalogue.")
    ] = None,
    allow_pickle: Annotated[bool, typer.Option("--allow-pickle", help="Convert pickled weights, once.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Download the weights of a model.

    With a record of commit and hashes. Other commands work offline.
    """
    from b2m_encoding.features.weights import entry_of
    from b2m_encoding.features.weights.fetch import Fetch

    fetching = Fetch(entry_of(name, revision), allow_pickle)
    console.print(fetching.describe(), markup=False, soft_wrap=True)
    if not yes and not typer.confirm("Fetch?"):
        raise typer.Exit(1)
    console.print(f"fetched to {fetching.run()}", soft_wrap=True, markup=False)
