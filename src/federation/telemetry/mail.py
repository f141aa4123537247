"""Sending a letter over SMTP (RFC 5321, RFC 3207), with the standard library; it blocks.

The trap is a server that offers no encryption although we want it: then nothing is sent, neither
the password nor the letter.
"""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate

TIMEOUT_S = 20.0


class MailFailed(Exception):
    """A letter was not taken; its text holds no secret."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server; `security` is `starttls`, `tls` or `none`."""

    host: str
    port: int
    security: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in plain text. Sent twice under one name, it is one letter to the reader."""

    sender: str
    to: tuple[str, ...]
    subject: str
    text: str
    name: str


def post(
    server: Server,
    letter: Letter,
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Send a letter. Raises `MailFailed`."""
    if not f"{server.username}{server.password}".isascii():
        raise MailFailed("a user name or password outside of ASCII cannot be sent")
    try:
        with _connected(server, tls, timeout_s) as connection:
            if server.username:
                connection.login(server.username, server.password)
            refused = connection.send_message(_message(letter), letter.sender, letter.to)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        raise MailFailed(_reason(error)) from error
    if refused:
        raise MailFailed(f"the mail server refuses {len(refused)} of {len(letter.to)} readers")


def _connected(server: Server, tls: Callable[[], ssl.SSLContext], timeout_s: float) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=timeout_s, context=tls())
    connection = smtplib.SMTP(server.host, server.port, timeout=timeout_s)
    if server.security == "starttls":
        try:
            connection.starttls(context=tls())
        except BaseException:
            connection.close()
            raise
    return connection


def _message(letter: Letter) -> EmailMessage:
    message = EmailMessage()
    message["From"] = letter.sender
    message["To"] = ", ".join(letter.to)
    message["Subject"] = "".join(each if each.isprintable() else " " for each in letter.subject)
    message["Date"] = formatdate()
    domain = letter.sender.rpartition("@")[2]
    message["Message-ID"] = f"<{hashlib.sha256(letter.name.encode()).hexdigest()[:32]}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message


def _reason(error: Exception) -> str:
    """What happened, in our words: a server's may repeat what it was sent."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "the mail server refuses the user name and password"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the mail server does not offer what is asked of it: encryption, or signing in"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server answers with {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "the mail server refuses all readers"
    if isinstance(error, ssl.SSLError):
        return "no encrypted connection with the mail server comes about"
    if isinstance(error, smtplib.SMTPException):
        return "the mail server breaks off"
    if isinstance(error, ValueError):  # from looking up the host, mostly: its labels have limits
        return "the mail server's name, or an address, is none"
    return f"the mail server cannot be reached: {getattr(error, 'strerror', None) or 'no answer'}"
