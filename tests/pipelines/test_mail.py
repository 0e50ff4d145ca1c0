import smtplib
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipelines import mail
from pipelines.settings import Settings
from tests import mail_sink

TO = "anna@example.com, luca@example.com"


def of(url: str, **given: object) -> Settings:
    named = {"mail_from": "puntuale@example.com", "mail_to": TO} | given
    return Settings(_env_file=None, smtp_url=url, **named)  # type: ignore[arg-type]


def test_a_message_with_its_page_reaches_everybody_who_is_named(tmp_path: Path) -> None:
    page = tmp_path / "2026-07-01.html"
    page.write_text("<p>è così</p>", encoding="utf-8")
    with mail_sink.listening("AUTH PLAIN") as sink:
        settings = of(sink.url.format("me:a%40b@"))
        assert mail.send(settings, "One\nBcc: x@example.com", "Text.", attached=page)

    (message,) = sink.mails
    assert message["To"] == TO
    assert (message["Subject"], message["Bcc"]) == ("One Bcc: x@example.com", None)
    (attached,) = message.iter_attachments()
    assert attached.get_content().strip() == "<p>è così</p>"
    assert attached.get_filename() == page.name
    told = [line.upper() for line in sink.said if line.upper().startswith("RCPT")]
    assert told == [f"RCPT TO:<{who.upper()}>" for who in TO.split(", ")]
    assert any(line.startswith("AUTH PLAIN") for line in sink.said)


def test_encryption_is_asked_for_where_it_is_offered_and_nothing_is_sent_without_it() -> None:
    with mail_sink.listening("STARTTLS", "AUTH PLAIN") as sink:
        with pytest.raises((OSError, smtplib.SMTPException)):  # it promises what it cannot do
            mail.send(of(sink.url.format("me:secret@")), "One", "Text.")
    assert "STARTTLS" in [line.upper() for line in sink.said]
    assert sink.mails == []
    assert not any(line.upper().startswith("AUTH") for line in sink.said)


def test_a_password_is_not_sent_in_the_open_to_another_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail, "_HERE", ())
    with mail_sink.listening("AUTH PLAIN") as sink:
        with pytest.raises(mail.MailRefused, match="offers no encryption"):
            mail.send(of(sink.url.format("me:secret@")), "One", "Text.")
    assert not any(line.upper().startswith("AUTH") for line in sink.said)


def test_nothing_is_sent_where_no_server_is_named() -> None:
    assert not mail.send(Settings(_env_file=None), "One", "Text.")


def test_a_wrong_address_is_told_without_the_password() -> None:
    with pytest.raises(mail.MailRefused, match="smtp://") as told:
        mail.send(of("http://me:secret@example.com"), "One", "Text.")
    assert "secret" not in str(told.value) + repr(of("smtp://me:secret@example.com"))
    with pytest.raises(ValidationError, match="PUNTUALE_MAIL_TO"):
        of("smtp://example.com", mail_to="")
