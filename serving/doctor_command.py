"""`puntuale doctor`: what is well with an installation, what is not, and what to do about it."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.checkup.finding import Finding

ILL = 1  # the exit code where something is wrong


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Look at set-up, data and services and say what to do (exit 1: something is wrong)."""
    from pipelines import checkup
    from pipelines.settings import Settings
    from serving import terminal

    job = checkup.job_of(Settings(), at=datetime.now(UTC).replace(microsecond=0))
    with terminal.working(steps=len(checkup.CHECKS), quiet=as_json) as tell:
        findings = list(checkup.run(job, tell=tell))
    if as_json:
        terminal.as_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(ILL)


def _show(findings: "Sequence[Finding]") -> None:
    from serving import terminal

    wide = max(len(finding.what) for finding in findings)
    for finding in findings:
        terminal.say(f"{finding.state:<6} {finding.what:<{wide}}  {finding.found}")
        if finding.advice:
            terminal.say(f"{'':<6} {'':<{wide}}  next: {finding.advice}")
    count = {state: sum(f.state == state for f in findings) for state in ("wrong", "look")}
    terminal.say(
        "\nAll is well."
        if not any(count.values())
        else f"\n{count['wrong']} wrong, {count['look']} to look at."
    )
