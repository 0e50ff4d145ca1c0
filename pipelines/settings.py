"""What an installation may set: environment variables that start with PUNTUALE_, or a `.env` file.

`.env.example` lists every setting with its default and its meaning; a test keeps it true.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pipelines import tenant_tables

HOME = Path(".puntuale")


class Settings(BaseSettings):
    """The settings of one installation; whoever writes below `home` makes the folder."""

    model_config = SettingsConfigDict(
        env_prefix="PUNTUALE_",
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
    )

    home: Path = HOME
    language: Literal["it", "en"] = "it"
    tenants: Path | None = None
    tenant: str | None = None

    ledger: str | None = None
    mapping: str | None = None
    pull_from: str | None = None
    pull_overlap_hours: float = Field(default=24.0, ge=0)
    s3_endpoint: str | None = None
    currency: str = Field(default="EUR", pattern="^[A-Z]{3}$")
    zone: str = "Europe/Rome"
    quarantine_share_max: float = Field(default=0.05, ge=0, le=1)
    rows_change_max: float = Field(default=0.4, gt=0)

    catalogue: Path | None = None
    holdout_share: float = Field(default=0.0, ge=0, le=1)
    exploration_share: float = Field(default=0.0, ge=0, le=1)
    trial_salt: str = "puntuale"
    tracking_uri: str | None = None
    artifact_root: str | None = None
    mlflow_address: str | None = Field(default=None, pattern='^https?://[^\\s"<>]+$')
    prefect_address: str | None = Field(default=None, pattern='^https?://[^\\s"<>]+$')
    prior_models: Path | None = None
    database_url: str | None = None
    scores_from: Literal["folder", "database"] = "folder"
    snapshots_kept: int = Field(default=14, ge=2)
    ledgers_kept: int = Field(default=2, ge=1)
    predictions_kept_days: int = Field(default=180, ge=14)
    plans_kept_days: int = Field(default=550, ge=0)

    night_cron: str = "0 2 * * *"
    smtp_url: SecretStr | None = None
    mail_from: str | None = None
    mail_to: Annotated[tuple[str, ...], NoDecode] = ()
    mail_report: bool = False

    feature_workers: int | None = Field(default=None, ge=1)
    dask_scheduler: str | None = None

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    workers: int = Field(default=1, ge=1)
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_scopes_claim: str = "scope"
    oidc_read: str = "puntuale:read"
    oidc_write: str = "puntuale:write"
    oidc_tenant_claim: str | None = None
    requests_per_minute: int | None = Field(default=None, ge=1)
    webhook_allow_private: bool = False

    @model_validator(mode="before")
    @classmethod
    def _of_one_tenant(cls, given: dict[str, Any]) -> dict[str, Any]:
        if not given.get("tenant"):
            return given
        home = Path(given.get("home") or HOME)
        return tenant_tables.applied(given, known=cls.model_fields.keys(), home=home)

    @field_validator("api_keys", "mail_to", mode="before")
    @classmethod
    def _listed(cls, keys: object) -> object:
        if isinstance(keys, str):
            return tuple(key.strip() for key in keys.split(",") if key.strip())
        return keys

    @field_validator("night_cron")
    @classmethod
    def _five_fields(cls, cron: str) -> str:
        if len(cron.split()) != 5:
            raise ValueError(f"minute hour day month weekday, such as 0 2 * * *, got: {cron!r}")
        return cron

    @model_validator(mode="after")
    def _scores_are_in_a_database(self) -> "Settings":
        is_postgresql = (self.database_url or "").startswith("postgresql")
        if self.scores_from == "database" and not is_postgresql:
            raise ValueError(
                "with PUNTUALE_SCORES_FROM=database, PUNTUALE_DATABASE_URL must be a PostgreSQL"
            )
        return self

    @model_validator(mode="after")
    def _rows_come_once(self) -> "Settings":
        if self.ledger and self.ledger == self.pull_from:
            raise ValueError(
                "PUNTUALE_LEDGER and PUNTUALE_PULL_FROM name the same source, and its rows would "
                "be read twice: leave PUNTUALE_LEDGER out, or set it to records"
            )
        return self

    @model_validator(mode="after")
    def _mail_has_an_address(self) -> "Settings":
        if self.smtp_url and not (self.mail_from and self.mail_to):
            raise ValueError("with PUNTUALE_SMTP_URL, set PUNTUALE_MAIL_FROM and PUNTUALE_MAIL_TO")
        return self

    @model_validator(mode="after")
    def _tokens_are_for_us(self) -> "Settings":
        if self.oidc_issuer and not self.oidc_audience:
            raise ValueError("with PUNTUALE_OIDC_ISSUER, PUNTUALE_OIDC_AUDIENCE must be set too")
        return self

    @property
    def tenants_file(self) -> Path:
        """Where the companies of the installation are listed, if there are several."""
        return self.tenants or self.home / tenant_tables.FILE

    @property
    def model_name(self) -> str:
        """Under which name MLflow knows the models: one for each tenant."""
        return "puntuale" if self.tenant is None else f"puntuale-{self.tenant}"

    @property
    def workers_here(self) -> int:
        """How many processes work on partitions: one for each core, unless another is set."""
        return self.feature_workers or len(os.sched_getaffinity(0))

    @property
    def mlflow_uri(self) -> str:
        """Where MLflow tracks training: a SQLite file under `home` unless another is named."""
        return self.tracking_uri or f"sqlite:///{self.home.resolve() / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> str | None:
        """Where MLflow keeps its files: under `home`, to move with it, unless a server decides."""
        beside = None if self.tracking_uri else str(self.home.resolve() / "mlflow")
        return self.artifact_root or beside

    @property
    def records_url(self) -> str:
        """Where what is sent in is kept: a SQLite file under `home` unless a database is named."""
        return self.database_url or f"sqlite:///{self.records_file.resolve()}"

    @property
    def records_file(self) -> Path:
        """The records' own file, where no database is named."""
        return self.home / "records.db"

    @property
    def models_folder(self) -> Path:
        """The exported bundles, and CHAMPION, which names the one that answers."""
        return self.home / "models"

    @property
    def scores_folder(self) -> Path:
        """The nightly snapshots, and CURRENT, which names the one that is read."""
        return self.home / "scores"

    @property
    def ledgers_folder(self) -> Path:
        """The ledgers that the latest nights have read."""
        return self.home / "ledgers"

    @property
    def reports_folder(self) -> Path:
        """Each night's report, as long as its scores are kept."""
        return self.home / "reports"

    @property
    def effects_file(self) -> Path:
        """What the log of actions taught, read in place of the catalogue's priors."""
        return self.home / "effects.toml"

    @property
    def prefect_home(self) -> Path:
        """Where Prefect keeps its own database when no server is named."""
        return self.home / "prefect"
