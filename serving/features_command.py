"""`puntuale features`: every feature with its definition, its unit and how it is said."""

from typing import Annotated

import typer


def features(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/features.md.")
    ] = False,
) -> None:
    """List every feature: what it works out, its unit, its reason group and its sentence."""
    from pipelines.features import page
    from serving import terminal

    rows = page.described()
    if as_json:
        terminal.as_json(rows)
    elif as_markdown:
        typer.echo(page.markdown(), nl=False)
    else:
        for row in rows:
            terminal.say(f"\n{row['name']} = {row['definition']}")
            terminal.say(f"    {row['family']}, {row['cause']}, {row['unit']}")
            terminal.say(f"    {row['en']}\n    {row['it']}")
        terminal.say(f"\n{len(rows)} features, all as of a day.")
