"""`puntuale models`, `rollback` and `card`: which models there are, and which one answers."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
OptionalVersion = Annotated[
    str | None, typer.Argument(help="A model's version or its number; none: the one that is meant.")
]


def models(as_json: Json = False) -> None:
    """List the models of this installation: who answers, until when each learned, the verdict."""
    from models import bundle
    from pipelines import prior, promotion
    from pipelines.settings import Settings
    from serving import terminal

    settings = Settings()
    answers = bundle.champion_version(settings.models_folder)
    rows = [
        {
            "number": found.number,
            "version": found.version,
            "cut_off": found.cut_off,
            "alias": ", ".join(found.aliases),
            "answers": "yes" if found.version == answers else "",
            "verdict": found.verdict,
            "why": found.why.split("; ")[0],
        }
        for found in promotion.registry(settings).versions()
    ]
    if as_json:
        terminal.as_json(rows)
    elif rows:
        terminal.table("Models, the newest first", rows)
    elif shared := bundle.champion_version(prior.answering(settings)):
        terminal.say(f"{prior.ANSWERS}, {shared}")
    else:
        terminal.say("no model yet: puntuale train LEDGER")


def rollback(version: OptionalVersion = None, as_json: Json = False) -> None:
    """Let the champion before this one, or an earlier one by its version, answer again."""
    from pipelines import promotion
    from pipelines.settings import Settings
    from serving import terminal

    back = promotion.roll_back(Settings(), version)
    if as_json:
        terminal.as_json({"number": back.number, "version": back.version})
    else:
        terminal.say(f"Model {back.version} answers again (version {back.number} in MLflow).")


def card(version: OptionalVersion = None) -> None:
    """Print a model's card: data, figures, limits, what it must not be used for (Markdown)."""
    from models import bundle
    from pipelines import prior
    from pipelines.night import NoModelYet
    from pipelines.settings import Settings
    from serving import terminal

    among = prior.answering(Settings())
    asked = version or bundle.champion_version(among)
    if asked is None:
        raise NoModelYet("no model has been promoted yet: run `puntuale train`")
    text = bundle.card(among / asked)
    if text is None:
        terminal.warn(f"model {asked} was made before there were cards: train again")
    else:
        typer.echo(text, nl=False)
