"""What replicas tell each other through Redis, as bytes: published, never kept.

The trap: a subscription that has broken says nothing, as one that has nothing to say. Each
look asks the server, and one that fails subscribes anew until it works.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

import redis

log = logging.getLogger(__name__)

CHANNEL: Final = "federation:news"
LOOK_S: Final = 1.0
AGAIN_S: Final = 1.0


class RedisNews:
    """Implements `control.replicas.NewsRelay`."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._well = True

    def start(self, heard: Callable[[bytes], None]) -> None:
        """Call `heard`, in a thread, with whatever anybody publishes."""
        self._thread = threading.Thread(target=self._run, args=(heard,), name="news", daemon=True)
        self._thread.start()

    def send(self, news: bytes) -> None:
        """Publish; what cannot be is dropped."""
        try:
            self._client.publish(CHANNEL, news)
        except redis.RedisError as error:
            if self._well:
                log.warning("replicas hear no news", extra={"reason": str(error)})
            self._well = False
        else:
            self._well = True

    def close(self) -> None:
        """Listen no more. Returns within a second or two."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2 * LOOK_S)

    def _run(self, heard: Callable[[bytes], None]) -> None:
        while not self._stop.is_set():
            try:
                with self._client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
                    subscription.subscribe(CHANNEL)
                    self._listen(subscription, heard)
            except redis.RedisError:
                self._stop.wait(AGAIN_S)

    def _listen(self, subscription: Any, heard: Callable[[bytes], None]) -> None:
        while not self._stop.is_set():
            said = subscription.get_message(timeout=LOOK_S)
            if said is None:
                subscription.ping()
            elif said["type"] == "message":
                heard(said["data"])
