"""How many ledgers the property tests of the features draw: few in every run, many when asked.

`EXAMPLES=1000 python -m pytest ...` is the thorough run; docs/benchmarks.md has the whole command.
"""

import os


def examples(usual: int) -> int:
    return int(os.environ.get("EXAMPLES", usual))
