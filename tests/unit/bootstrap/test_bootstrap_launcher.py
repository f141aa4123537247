"""Children that cannot be started."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import Any

import pytest

from federation.bootstrap.launcher import Child


def test_a_child_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    child = Child("worker 0", ["no.such.module"], ())
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", full)
        assert child.start(10.0) == os.strerror(errno.EAGAIN)
        first = child.due
        assert first > 10.0
        for _ in range(3):
            due = child.due
            assert child.start(due)
        assert child.due - due > first - 10.0
    assert (child.process, child.starts) == (None, 0)
    assert child.start(20.0) == ""
    assert child.process is not None
    child.process.wait()
    assert child.starts == 1
