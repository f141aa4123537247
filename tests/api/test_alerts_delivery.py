"""Alerts on their way out: real receivers of webhooks and mail, and every way to fail."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import smtplib
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mail_server import PASSWORD, USER, MailServer, mail_server
from webhook_receiver import receiving

from federation.config.sign_in_settings import AlertSettings, Mail, Webhook
from federation.control.alerts import AT_ONCE, KEPT_MS, PAUSES_S, AlertDesk, notice_id
from federation.control.alerts_channels import Channels, Undelivered, signature, trusting
from federation.control.budgets_alerts import Alarm
from federation.control.threads import Errands
from federation.domain.budgets import Budget, BudgetBook, Scope
from federation.errors import Unavailable
from federation.storage.alerts_entries import Notice
from federation.storage.alerts_memory import MemoryNotices
from federation.telemetry.mail import Letter, MailFailed, Server, post
from federation.transport.client import Client

SECRET = "a-secret-that-both-know"
BUDGET = Budget("b1", "acme", Scope.TEAM, "red", 10_000_000_000)
BOOK = BudgetBook([BUDGET])
POT = "acme/b1/-/1700000000000"
ALARM = Alarm("b1", POT, 80, 10_000_000_000, 8_500_000_000)


@dataclass
class World:
    settings: AlertSettings
    store: MemoryNotices = field(default_factory=MemoryNotices)
    now: float = 1_000_000.0
    secrets: dict[str, str] = field(default_factory=lambda: {"env:S": SECRET, "env:P": PASSWORD})
    post: Any = post

    def __post_init__(self) -> None:
        self.transport = Client()
        self.errands = Errands("alerts")
        self.channels = Channels(
            self.transport, lambda: self.settings, self.secrets.get, lambda: self.now, self.post
        )
        self.desk = self.another()

    def another(self) -> AlertDesk:
        """Another process on the same store."""
        return AlertDesk(self.store, self.channels, lambda: BOOK, self.errands, lambda: self.now)

    async def aclose(self) -> None:
        await self.transport.aclose()
        self.errands.close()


@asynccontextmanager
async def world(settings: AlertSettings, **more: Any) -> AsyncIterator[World]:
    made = World(settings, **more)
    try:
        yield made
    finally:
        await made.aclose()


def hooked(url: str, **more: Any) -> AlertSettings:
    return AlertSettings((Webhook("ops", url, "env:S", private=True, **more),))


async def test_a_webhook_is_told_once_and_can_tell_that_it_was_us() -> None:
    async with receiving() as receiver, world(hooked(receiver.url)) as at:
        await at.desk.keep(ALARM)
        await at.desk.keep(ALARM)
        assert await at.desk.deliver() == 1
        assert await at.desk.deliver() == 0
        ((headers, body),) = receiver.got
        told = json.loads(body)
        assert (told["type"], told["tenant"], told["budget"]) == ("budget.threshold", "acme", "b1")
        assert (told["percent"], told["limit_usd"], told["spent_usd"]) == (80, "10", "8.5")
        assert (told["scope"], told["subject"], told["pot"]) == ("team", "red", POT)
        assert told["id"] == headers["webhook-id"] == notice_id(ALARM)
        assert headers["webhook-timestamp"] == "1000000"
        message = b".".join((told["id"].encode(), b"1000000", body))
        made = hmac.digest(SECRET.encode(), message, "sha256")
        assert headers["webhook-signature"] == "v1," + b64encode(made).decode()
        assert SECRET.encode() not in body


async def test_a_restart_and_another_replica_tell_nothing_twice() -> None:
    async with receiving() as receiver, world(hooked(receiver.url)) as at:
        desks = [at.desk, at.another(), at.another()]
        for desk in desks:
            await desk.keep(ALARM)
        await asyncio.gather(*(desk.deliver() for desk in desks))
        later = at.another()
        await later.keep(ALARM)
        assert await later.deliver() == 0
        assert len(receiver.got) == 1
        await later.keep(replace(ALARM, percent=95))
        await later.keep(replace(ALARM, pot="acme/b1/-/1800000000000"))
        assert await later.deliver() == 2


async def test_what_was_kept_and_not_told_is_told_by_the_next_process() -> None:
    """A process ends between the two: nothing is lost."""
    async with receiving() as receiver, world(hooked(receiver.url)) as at:
        await at.desk.keep(ALARM)
        assert await at.another().deliver() == 1
        assert len(receiver.got) == 1


async def test_overruns_are_told_by_their_sum() -> None:
    async with receiving() as receiver, world(hooked(receiver.url)) as at:
        over = Alarm("b1", POT, 0, 10_000_000_000, 11_000_000_000, 5, 5)
        for each in (over, over, replace(over, overruns_nano=9)):
            await at.desk.keep(each)
        assert await at.desk.deliver() == 2
        assert {json.loads(body)["overrun_usd"] for _, body in receiver.got} == {
            "0.000000005",
            "0.000000009",
        }


async def test_a_receiver_that_fails_is_asked_again_at_growing_distances() -> None:
    async with receiving() as receiver, world(hooked(receiver.url)) as at:
        receiver.statuses = [500, 302, 404]
        await at.desk.keep(ALARM)
        for pause_s in PAUSES_S[:3]:
            assert await at.desk.deliver() == 1
            at.now += pause_s - 1
            assert await at.desk.deliver() == 0
            at.now += 1
        assert await at.desk.deliver() == 1
        assert len(receiver.got) == 4
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
        assert set(at.store.states().values()) == {"sent"}


async def test_what_nobody_takes_is_given_up_and_stands_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with world(hooked("http://127.0.0.1:1/hook")) as at:
        await at.desk.keep(ALARM)
        for pause_s in PAUSES_S:
            assert await at.desk.deliver() == 1
            at.now += pause_s
        assert await at.desk.deliver() == 1
        at.now += 1e6
        assert await at.desk.deliver() == 0
        assert set(at.store.states().values()) == {"dead"}
    (lost,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert json.loads(lost.__dict__["alert_body"])["budget"] == "b1"
    assert SECRET not in caplog.text
    assert sum(PAUSES_S) > 86_400


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"secret": "env:MISSING"}, "its secret cannot be read"),
        ({"private": False}, "127.0.0.1"),
        ({"url": "http://169.254.169.254/latest"}, "metadata"),
    ],
)
async def test_where_it_may_not_go_it_does_not_go(change: dict[str, Any], why: str) -> None:
    async with receiving() as receiver:
        settings = hooked(receiver.url)
        hook = replace(settings.webhooks[0], **change)
        async with world(AlertSettings((hook,))) as at:
            with pytest.raises(Undelivered) as caught:
                await at.channels.deliver(Notice("n", "webhook/ops", "{}", 0, 0))
            assert receiver.got == []
            assert SECRET not in str(caught.value)


async def test_each_hears_of_their_own_tenants() -> None:
    mail_of = Mail("h", "a@b.test", ("x@y.test",), tenants=("other",))
    hooks = (
        Webhook("all", "https://a.test", "env:S"),
        Webhook("acme", "https://b.test", "env:S", tenants=("acme",)),
        Webhook("none", "https://c.test", "env:S", tenants=("other",)),
    )
    async with world(AlertSettings(hooks, mail_of)) as at:
        assert at.channels.names("acme") == ["webhook/all", "webhook/acme"]
        assert at.channels.names("other") == ["webhook/all", "webhook/none", "email"]


async def test_a_channel_that_is_gone_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async with world(AlertSettings()) as at:
        await at.desk.keep(ALARM)
        assert at.store.states() == {}
        for channel in ("webhook/ops", "email", "ops"):
            with pytest.raises(Undelivered):
                await at.channels.deliver(Notice("n", channel, "{}", 0, 0))


def test_a_secret_may_be_written_as_other_products_do() -> None:
    plain = signature("whsec_" + b64encode(b"key").decode(), b"n", b"1", b"{}")
    assert plain == signature("key", b"n", b"1", b"{}")
    with pytest.raises(Undelivered):
        signature("whsec_!", b"n", b"1", b"{}")


async def test_delivery_goes_on_by_itself_and_over_a_store_that_is_away() -> None:
    class Broken(MemoryNotices):
        broken = 2

        def take(self, now_ms: int, until_ms: int, most: int) -> list[Notice]:
            if self.broken:
                self.broken -= 1
                raise Unavailable("away")
            return super().take(now_ms, until_ms, most)

    async with receiving() as receiver, world(hooked(receiver.url), store=Broken()) as at:
        old = Notice("old", "webhook/ops", "{}", int(at.now * 1000) - KEPT_MS - 1, 0)
        at.store.add([old])
        at.store.sent(old)
        running = asyncio.create_task(at.desk.follow())
        try:
            async with asyncio.timeout(30):
                while not receiver.got:
                    await at.desk.keep(ALARM)
                    at.desk._wake.set()
                    await asyncio.sleep(0.02)
                while ("old", "webhook/ops") in at.store.states() or not at.desk.taking:
                    await asyncio.sleep(0.02)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_many_alerts_go_out_a_few_at_a_time() -> None:
    async with receiving() as receiver, world(hooked(receiver.url)) as at:
        for n in range(AT_ONCE + 3):
            await at.desk.keep(replace(ALARM, pot=f"acme/b1/-/{n + 1}"))
        assert await at.desk.deliver() == AT_ONCE
        assert await at.desk.deliver() == 3


class TestMail:
    def letter(self, **more: Any) -> Letter:
        return replace(Letter("gw@b.test", ("x@y.test", "z@y.test"), "Subject", "T\n", "n"), **more)

    def server(self, at: MailServer, security: str = "starttls", **more: Any) -> Server:
        return replace(Server("127.0.0.1", at.port, security, USER, PASSWORD), **more)

    async def test_an_alert_is_a_letter(self, tmp_path: Path) -> None:
        with mail_server(tmp_path) as at:
            told = Mail("127.0.0.1", "gw@b.test", ("x@y.test",), at.port, "starttls", USER, "env:P")
            believing = partial(post, tls=at.trusting())
            async with world(AlertSettings((), told), post=believing) as here:
                await here.desk.keep(ALARM)
                assert await here.desk.deliver() == 1
                assert set(here.store.states().values()) == {"sent"}
        (taken,) = at.taken
        assert (taken.sender, taken.to, taken.sealed, taken.user) == (
            "gw@b.test",
            ["x@y.test"],
            True,
            USER,
        )
        assert taken.message["Subject"] == "[federation] the budget b1 is 80 % spent"
        assert "spent_usd: 8.5" in str(taken.message.get_payload())

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    def test_a_letter_goes_over_tls(self, tmp_path: Path, security: str) -> None:
        with mail_server(tmp_path) as at:
            at.at_once = security == "tls"
            for _ in range(2):
                post(self.server(at, security), self.letter(), at.trusting())
        assert [taken.sealed for taken in at.taken] == [True, True]
        assert len({taken.message["Message-ID"] for taken in at.taken}) == 1
        assert at.taken[0].to == ["x@y.test", "z@y.test"]

    def test_an_authority_that_the_operator_names_vouches_for_a_server(
        self, tmp_path: Path
    ) -> None:
        named = [""]
        with mail_server(tmp_path) as at:
            send = trusting(lambda: named[0])
            with pytest.raises(MailFailed, match="encrypted connection"):
                send(self.server(at), self.letter())
            named[0] = at.certificate.read_text()
            send(self.server(at), self.letter())
        assert len(at.taken) == 1

    def test_a_server_of_one_s_own_may_be_plain(self, tmp_path: Path) -> None:
        with mail_server(tmp_path) as at:
            post(self.server(at, "none", username=""), self.letter(subject="a\r\nBcc: eve@x.test"))
        (taken,) = at.taken
        assert not taken.sealed
        assert taken.message["Bcc"] is None
        assert taken.message["Subject"] == "a  Bcc: eve@x.test"

    def test_without_encryption_nothing_is_sent(self, tmp_path: Path) -> None:
        with mail_server(tmp_path) as at:
            at.offers_tls = False
            with pytest.raises(MailFailed, match="does not offer"):
                post(self.server(at), self.letter(), at.trusting())
        assert at.taken == []
        assert "AUTH" not in at.heard

    def test_a_server_that_nobody_vouches_for_gets_nothing(self, tmp_path: Path) -> None:
        with mail_server(tmp_path) as at:
            with pytest.raises(MailFailed, match="encrypted"):
                post(self.server(at), self.letter())
            at.at_once = True
            with pytest.raises(MailFailed, match="encrypted"):
                post(self.server(at, "tls"), self.letter())
        assert at.taken == []

    @pytest.mark.parametrize(
        ("refuses", "why"),
        [
            ({"AUTH": f"535 no {PASSWORD}"}, "user name and password"),
            ({"MAIL": "451 later"}, "451"),
            ({"RCPT": "550 nobody"}, "all readers"),
            ({"DATA": "554 spam"}, "554"),
            ({"EHLO": "421 busy", "HELO": "421 busy"}, "421|breaks off|does not offer"),
        ],
    )
    def test_what_a_server_says_no_to_is_told_without_secrets(
        self, tmp_path: Path, refuses: dict[str, str], why: str
    ) -> None:
        with mail_server(tmp_path) as at:
            at.refuses = refuses
            with pytest.raises(MailFailed, match=why) as caught:
                post(self.server(at), self.letter(), at.trusting())
        assert PASSWORD not in str(caught.value)

    def test_a_server_that_is_not_there_is_told_on(self) -> None:
        with pytest.raises(MailFailed, match="cannot be reached"):
            post(Server("127.0.0.1", 1, "none"), self.letter())

    @pytest.mark.parametrize("host", ["mail..b.test", f"{'m' * 64}.b.test"])
    async def test_a_name_that_no_host_can_have_fails_like_any_other(self, host: str) -> None:
        with pytest.raises(MailFailed, match="is none"):
            post(Server(host, 25, "none"), self.letter())
        async with world(AlertSettings((), Mail(host, "a@b.test", ("x@y.test",)))) as at:
            await at.desk.keep(ALARM)
            assert await at.desk.deliver() == 1, "and the others' alerts go on"

    def test_a_password_that_cannot_be_sent_is_told_on(self) -> None:
        with pytest.raises(MailFailed, match="ASCII"):
            post(Server("127.0.0.1", 1, "none", "u", "p\u00e4ss"), self.letter())

    def test_one_reader_of_two_is_not_enough(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = {"x@y.test": (550, b"no")}
        monkeypatch.setattr(smtplib.SMTP, "send_message", lambda *_: refused)
        with mail_server(tmp_path) as at, pytest.raises(MailFailed, match="1 of 2"):
            post(self.server(at, "none", username=""), self.letter())

    async def test_a_password_that_is_gone_is_a_failure(self) -> None:
        told = Mail("127.0.0.1", "a@b.test", ("x@y.test",), 1, "starttls", USER, "env:MISSING")
        async with world(AlertSettings((), told)) as at:
            with pytest.raises(Undelivered, match="password"):
                await at.channels.deliver(Notice("n", "email", '{"summary": "s"}', 0, 0))
            at.secrets["env:MISSING"] = "x"
            with pytest.raises(Undelivered, match="reached"):
                await at.channels.deliver(Notice("n", "email", '{"summary": "s"}', 0, 0))
