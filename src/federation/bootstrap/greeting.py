"""What the first start says on standard output: the admin key, this once, and a call that works.

The trap: `auto` passes over deployments of which too little is known, so it may reach nobody
where others can be asked by their names.
"""

from __future__ import annotations

from pathlib import Path

from federation.domain.routes import AUTO
from federation.domain.snapshot import Snapshot
from federation.routing.fleet import facts_known

_NOBODY = (
    "No provider can be asked yet: set the key of one (`federation provider list` names its "
    "variable), or\nadd a row to providers.yaml. What there is then:\n\n"
    "    curl {url}/v1/models \\\n"
    '      -H "Authorization: Bearer {secret}"\n'
)
_CALL = (
    "Try it:\n\n    curl {url}/v1/chat/completions \\\n"
    '      -H "Authorization: Bearer {secret}" -H "Content-Type: application/json" \\\n'
    '      -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}\'\n'
)


def greeting(secret: str, kept: Path, url: str, snapshot: Snapshot) -> str:
    """The whole text; `kept` is where the key lies."""
    model = example(snapshot)
    then = _NOBODY.format(url=url, secret=secret)
    if model is not None:
        then = _CALL.format(url=url, secret=secret, model=model)
    return f"\nYour admin key (kept in {kept}, readable by you only):\n\n    {secret}\n\n{then}"


def example(snapshot: Snapshot) -> str | None:
    """A model name that will be answered; None where there is none."""
    serving = [
        each
        for each in snapshot.deployments
        if each.usable and each.enabled and each.provider.enabled and "chat" in each.operations
    ]
    if any(snapshot.settings.auto_unknown or facts_known(each) for each in serving):
        return AUTO
    return serving[0].id if serving else None
