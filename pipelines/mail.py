"""Mail to the people whom the settings name: the night's report, and that a night failed."""

import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipelines.settings import Settings

SECONDS = 30  # a mail server that is away holds a night up no longer
_PORTS = {"smtp": 587, "smtps": 465}
_HERE = ("127.0.0.1", "::1", "localhost")


class MailRefused(ValueError):  # noqa: N818 - the name says what happened
    """The settings of the mail server cannot be used as they are."""


def send(settings: Settings, subject: str, text: str, *, attached: Path | None = None) -> bool:
    """Send a message; False where no mail server is set. OSError where it is away or refuses.

    A connection is encrypted wherever the server offers it. A password never goes over one that is
    not, except to this very machine: MailRefused.
    """
    if settings.smtp_url is None:
        return False
    message = EmailMessage()
    message["Subject"] = " ".join(subject.split())
    message["From"] = settings.mail_from
    message["To"] = ", ".join(settings.mail_to)
    message.set_content(text)
    if attached is not None:
        page = attached.read_text(encoding="utf-8")
        message.add_attachment(page, subtype="html", filename=attached.name)
    _deliver(settings.smtp_url.get_secret_value(), message)
    return True


def _deliver(url: str, message: EmailMessage) -> None:
    address = urlsplit(url)
    if address.scheme not in _PORTS or not address.hostname:
        raise MailRefused("PUNTUALE_SMTP_URL must be smtp://host:port or smtps://host:port")
    host, port = address.hostname, address.port or _PORTS[address.scheme]
    is_encrypted = address.scheme == "smtps"
    trusted = ssl.create_default_context()
    server = (
        smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=trusted)
        if is_encrypted
        else smtplib.SMTP(host, port, timeout=SECONDS)
    )
    with server:
        server.ehlo()
        if not is_encrypted and server.has_extn("starttls"):
            server.starttls(context=trusted)
            server.ehlo()
            is_encrypted = True
        if address.username:
            if not is_encrypted and host not in _HERE:
                raise MailRefused(f"{host} offers no encryption: the password is not sent")
            server.login(unquote(address.username), unquote(address.password or ""))
        server.send_message(message)
