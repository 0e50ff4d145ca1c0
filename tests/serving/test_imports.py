import subprocess
import sys

HEAVY = (
    "pandas pandera mlflow prefect shap lightgbm sklearn matplotlib scipy duckdb polars"
).split()


def test_importing_the_service_does_not_import_what_it_must_not():
    found = subprocess.run(
        [sys.executable, "-c", "import sys, serving.app; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.split(".")[0] for name in found.stdout.split()}
    assert loaded.isdisjoint(HEAVY), sorted(loaded & set(HEAVY))
