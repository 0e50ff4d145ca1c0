import os
import subprocess
import sys

# asks a served process, as uvicorn would start it, for its health and then for its modules
SERVE = """
import asyncio, sys, httpx
from serving.process import KEPT_OUT, service

async def ask():
    app = service()
    async with app.router.lifespan_context(app):
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
        async with http:
            for path in ("/healthz", "/", "/v1/worklist"):
                await http.get(path)

asyncio.run(ask())
print("found:", *(name for name in KEPT_OUT if name in sys.modules))
"""


def test_a_serving_process_holds_no_library_of_training(tmp_path):
    served = subprocess.run(
        [sys.executable, "-c", SERVE],
        env=os.environ | {"PUNTUALE_HOME": str(tmp_path), "PUNTUALE_HOST": "localhost"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert served.returncode == 0, served.stderr
    assert served.stdout.split() == ["found:"]
