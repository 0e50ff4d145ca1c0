"""How often a test tries: little in every run, much when asked.

`EXAMPLES=1000 python -m pytest ...` draws so many ledgers; docs/benchmarks.md has the command.
`THOROUGH=1 python -m pytest tests/faults ...` has every fault as often as docs/faults.md says.
"""

import os


def examples(usual: int) -> int:
    return int(os.environ.get("EXAMPLES", usual))


def often(usual: int, *, thorough: int) -> int:
    return thorough if os.environ.get("THOROUGH") else usual
