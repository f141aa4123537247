"""Passwords in command lines: those that somebody typed, and what only looks like one."""

from __future__ import annotations

from random import Random

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.scan import Scanner
from federation.guardrails.windows import Window

SCANNER = Scanner([kind.SECRET])
TYPED = [
    ("curl -u bob:{} https://example.com", "letmein"),
    ("curl -u 'bob:{}' https://example.com", "let me in"),
    ('curl -sSu "bob:{}" https://example.com', "sesame;open"),
    ("curl --user bob:{} https://example.com", "hunter2"),
    ("curl --user=bob:{} -X POST https://example.com", "hunter2"),
    ("curl -x proxy:3128 -U bob:{} https://example.com", "hunter2"),
    ('curl -X POST -H "Content-Type: application/json" -u bob:{}', "tiger99"),
    ("mysql -u root -p{} shop", "tiger"),
    ("mysqldump -uroot -p'{}' shop > dump.sql", "ti ger"),
    ("mysql --password={} shop", "tiger"),
    ("mariadb -h db -p{}", "tiger99"),
    ("sshpass -p {} ssh bob@example", "tiger"),
    ('sshpass -p "{}" ssh bob@example', "open sesame"),
    ("sshpass -p{} ssh bob@example", "tiger"),
    ("redis-cli -h cache -a {} ping", "tiger"),
    ("docker login -u bob -p {} registry", "tiger"),
    ("PGPASSWORD={} psql -h db", "tiger"),
    ("export PGPASSWORD='{}'", "tiger"),
    ("MYSQL_PWD={} mysql shop", "tiger"),
    ("SSHPASS={} sshpass -e ssh bob@example", "tiger"),
]
NOBODYS = [
    "curl -u user:password https://example.com",
    "curl -u bob:your_password https://example.com",
    'curl -u "$USER:$PASSWORD" https://example.com',
    "curl -u <user>:<password> https://example.com",
    "curl -u ${USER}:${PASSWORD} https://example.com",
    "curl -u bob:xxxx https://example.com",
    "curl -u bob:**** https://example.com",
    "curl -u bob: https://example.com",
    "curl -u bob https://example.com:8080",
    "curl --user-agent probe:1.0.0 https://example.com",
    "curl -H 'Accept: text/html' https://example.com:8080/path",
    "curl --url https://example.com",
    "mysql -u root -p shop",
    "mysql -u root -p$MYSQL_PASSWORD shop",
    "mysql -p<password>",
    "mysql -uroot -ppassword",
    "mysql -P 3307 -h db shop",
    "ssh -p 2222 bob@example",
    "mkdir -p some/where/deep",
    "docker run -p 8080:8080 -u 1000:1000 image",
    "sshpass -p $SSH_PASSWORD ssh bob@example",
    "sshpass -p 'your-password' ssh bob@example",
    "sshpass -e ssh bob@example",
    "redis-cli -a $REDIS_PASSWORD ping",
    "docker login -u bob --password-stdin registry",
    "PGPASSWORD=$DB_PASSWORD psql",
    "PGPASSWORD=<password> psql",
    'PGPASSWORD="${PGPASSWORD:-}" psql',
    "the curl of a -u vector and user:names of mysql in prose",
    "We use mysql. Its -port option is a word.",
]


@pytest.mark.parametrize(("frame", "value"), TYPED)
def test_a_password_in_a_command_line_is_found(frame: str, value: str) -> None:
    text = f"Run this:\n$ {frame.format(value)}\nand wait"
    assert [text[span.start : span.end] for span in SCANNER.find(text)] == [value]


@pytest.mark.parametrize("text", NOBODYS)
def test_what_stands_in_a_passwords_stead_is_not(text: str) -> None:
    assert SCANNER.find(f"Run this:\n$ {text}\nand wait") == []


def test_a_command_that_goes_on_over_lines_is_read_to_its_end() -> None:
    text = "curl -X POST \\\n  -H 'a: b' \\\n  -u bob:letmein \\\n  https://example.com"
    assert [text[span.start : span.end] for span in SCANNER.find(text)] == ["letmein"]


def test_the_end_of_a_line_ends_a_command() -> None:
    assert SCANNER.find("curl https://example.com\nnoise -u bob:letmein") == []


@pytest.mark.parametrize(("frame", "value"), TYPED)
def test_a_stream_says_the_same_however_it_comes_in_pieces(frame: str, value: str) -> None:
    text = f"You may run this one here:\n{frame.format(value)}\nand wait for what comes of it"
    guard = Guard(Plan({kind.SECRET: Action.REDACT}), b"k")
    random, said = Random(7), set[str]()
    for _ in range(20):
        window, out, at = Window(guard, "text", Screening.begin(b"s")), "", 0
        while at < len(text):
            size = random.choice((1, 2, 5, 13, 40))
            out += window.feed(text[at : at + size])
            at += size
        said.add(out + window.close())
    assert len(said) == 1
    assert value not in said.pop()
