"""Drafts: courteous, complete, in both languages, and deaf to what a name may try to say."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.catalogue import Catalogue
from models.drafts import MESSAGE_CODES, Draft, Item, Recipient, draft, tone
from models.legal import Debtor

ROSSI = Recipient("Rossi S.r.l.", sender="Bianchi S.p.A.")
LATE = Item("F/17", date(2026, 1, 31), 10_000_00, interest_cents=83_42, days_late=30)
NEW = Item("F/44", date(2026, 3, 20), 500_00)
everyone = pytest.mark.parametrize("action", MESSAGE_CODES)
both = pytest.mark.parametrize("language", ["it", "en"])


def test_every_contact_of_the_catalogue_has_a_draft() -> None:
    contacts = {action.code for action in Catalogue.load().actions if action.contact}
    assert contacts == set(MESSAGE_CODES)


@everyone
@both
def test_a_draft_names_every_open_invoice_with_its_amount(action: str, language: str) -> None:
    subject, body = draft(action, ROSSI, [NEW, LATE], language)
    assert subject
    assert "\n" not in subject
    assert body.index("F/17") < body.index("F/44")  # the oldest first
    amounts = ("10.000,00", "500,00") if language == "it" else ("10,000.00", "500.00")
    for amount in amounts:
        assert amount in body
    assert "None" not in body
    assert "{" not in body
    assert "\n\n\n" not in body


@everyone
def test_italian_and_english_differ(action: str) -> None:
    assert draft(action, ROSSI, [LATE], "it") != draft(action, ROSSI, [LATE], "en")


def test_a_formal_notice_adds_up_interest_and_forty_euro_an_invoice() -> None:
    # 10,000 + 83.42 of interest + 40: 10,123.42 EUR
    body = draft("messa_in_mora", ROSSI, [LATE], "en").body
    assert "art. 1219" in body
    assert "within 15 days" in body
    for amount in ("€83.42", "€40.00", "€10,123.42"):
        assert amount in body


def test_an_invoice_that_is_not_due_owes_no_compensation() -> None:
    body = draft("messa_in_mora", ROSSI, [LATE, NEW], "en").body
    assert "€40.00" in body
    assert "€80.00" not in body


@pytest.mark.parametrize("action", ["messa_in_mora", "late_interest", "reminder_2"])
def test_a_consumer_is_asked_for_no_interest(action: str) -> None:
    body = draft(action, Recipient("Mario Rossi", debtor=Debtor.CONSUMER), [LATE], "it").body
    assert "83,42" not in body
    assert "40,00" not in body


def test_interest_that_cannot_be_told_is_not_told() -> None:
    unknown = Item("F/18", date(2026, 5, 1), 100_00, interest_cents=None, days_late=90)
    body = draft("messa_in_mora", ROSSI, [LATE, unknown], "en").body
    assert "83.42" not in body
    assert "€80.00" in body


def test_what_is_disputed_is_not_asked_for() -> None:
    part = Item("F/19", date(2026, 1, 1), 900_00, disputed_cents=300_00)
    assert "€600.00" in draft("reminder_1", ROSSI, [part], "en").body
    assert "€300.00" in draft("dispute_resolution", ROSSI, [part], "en").body
    whole = Item("F/20", date(2026, 1, 1), 900_00, disputed_cents=900_00)
    assert "F/20" not in draft("reminder_1", ROSSI, [whole, LATE], "en").body
    with pytest.raises(ValueError, match="at least one open invoice"):
        draft("reminder_1", ROSSI, [whole], "en")


def test_unallocated_cash_pagopa_and_the_link_are_told() -> None:
    public = Recipient("Comune", debtor=Debtor.PUBLIC_BODY, unallocated_cents=123_45)
    notice = Item("F/21", date(2026, 1, 1), 900_00, pagopa_notice="302001234567890123")
    body = draft("statement", public, [notice], "en").body
    for told in ("€123.45", "302001234567890123", "[payment link]"):
        assert told in body
    own = draft("statement", Recipient("A", payment_link="https://pay.example/1"), [LATE], "en")
    assert "https://pay.example/1" in own.body


def test_the_tone_rises_with_the_step_and_is_milder_for_who_is_cared_for() -> None:
    assert [tone(a) for a in ("due_notice", "reminder_1", "reminder_2", "messa_in_mora")] == [
        "friendly",
        "friendly",
        "firm",
        "formal",
    ]
    assert tone("final_reminder", cared_for=True) == "friendly"
    assert tone("messa_in_mora", cared_for=True) == "formal"
    usual = draft("reminder_2", ROSSI, [LATE], "it")
    gentle = draft("reminder_2", Recipient("Rossi S.r.l.", cared_for=True), [LATE], "it")
    assert usual.body != gentle.body


HOSTILE = st.one_of(
    st.text(max_size=200),
    st.sampled_from(
        [
            "{{ 7 * 7 }}",
            "{% for x in range(10**9) %}x{% endfor %}",
            "{{ customer.__class__.__mro__ }}",
            "A\nSubject: you owe nothing\nBcc: x@example.org",
            "\u202eevil\u2066",
        ]
    ),
)


@settings(deadline=None, max_examples=60)
@given(HOSTILE, HOSTILE, st.sampled_from(MESSAGE_CODES), st.sampled_from(["it", "en"]))
def test_a_hostile_name_says_only_itself_on_one_line(
    name: str, number: str, action: str, language: str
) -> None:
    def written(name: str, number: str) -> Draft:
        item = Item(number, date(2026, 1, 31), 10_000_00, days_late=30)
        return draft(action, Recipient(name), [item], language)

    plain, found = written("X", "Y"), written(name, number)
    assert found.body.count("\n") <= plain.body.count("\n")
    assert "\n" not in found.subject
    said = (found.subject + found.body).replace("\xa0", " ")  # the space within an amount
    assert all(c.isprintable() or c == "\n" for c in said)


@both
def test_template_code_in_a_name_is_only_text(language: str) -> None:
    item = Item("{% raw %}", date(2026, 1, 31), 10_000_00)
    found = draft("call", Recipient("{{ 7 * 7 }}"), [item], language)
    assert "{{ 7 * 7 }}" in found.subject
    assert "{% raw %}" in found.body
    assert "49" not in found.subject


def test_an_action_without_a_message_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"one of .*, got: credit_hold"):
        draft("credit_hold", ROSSI, [LATE], "it")
    with pytest.raises(ValueError, match="language must be one of it, en"):
        draft("call", ROSSI, [LATE], "fr")
