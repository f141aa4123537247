"""The work of `federation audit anchor`: hand the newest checkpoint to every anchor, and look.

The gateway that runs does it, with its own configuration and credentials; where none runs, we do,
with what lies in the configuration's directory.
"""

from __future__ import annotations

from msgspec import structs

from federation.bootstrap.anchoring import open_anchors
from federation.catalogue import reader as catalogue
from federation.cli import audit_report, audit_store, audit_work, output
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place
from federation.config.load import load
from federation.control.anchorage import Anchored, read_anchored
from federation.control.evidence_reading import EvidenceReading
from federation.storage.anchors import Anchor


def anchor(place: Place, *, as_json: bool) -> None:
    """Make a checkpoint and anchor it. Raises `CommandFailed` where an anchor did not take it."""
    reading = EvidenceReading(place.data_dir)
    if place.holder() is None:
        audit_store.seal(place, _configured(place))
    else:
        audit_work.wish(place)
    newest = reading.newest().body
    stand = read_anchored(place.data_dir / "evidence")
    if not stand:
        raise _none()
    behind = [each for each in stand if _is_behind(each, newest.n)]
    told: dict[str, object] = {
        "checkpoint": newest.n,
        "records": newest.size,
        "anchors": [structs.asdict(each) for each in stand],
    }
    if not as_json:
        _show(stand, newest.n)
    if behind:
        names = ", ".join(each.name for each in behind)
        raise CommandFailed(f"Checkpoint {newest.n} is not anchored in: {names}.", details=told)
    if as_json:
        output.print_json(told)
    else:
        output.say(f"Checkpoint {newest.n} over {newest.size} records is anchored.", "green")


def _configured(place: Place) -> list[Anchor]:
    environ = place.environ
    loaded = load(place.config_dir, environ, catalogue.load(), place.env_file)
    named = loaded.evidence.anchors
    if not named:
        raise _none()
    return open_anchors(named, place.data_dir, environ, lambda: loaded.settings.authorities)


def _show(stand: tuple[Anchored, ...], n: int) -> None:
    output.table(
        ("Anchor", ">Checkpoint", "Taken", "State"),
        [
            (
                each.name,
                "-" if each.checkpoint is None else each.checkpoint,
                "-" if each.at_ms is None else audit_report.at(each.at_ms),
                _state(each, n),
            )
            for each in stand
        ],
    )


def _state(each: Anchored, n: int) -> str:
    if each.failing_ms is not None:
        return f"failing since {audit_report.at(each.failing_ms)}: {each.reason}"
    return "behind" if _is_behind(each, n) else "anchored"


def _is_behind(each: Anchored, n: int) -> bool:
    """Whether it lacks checkpoint `n`. The gateway may have made another meanwhile."""
    return each.failing_ms is not None or each.checkpoint is None or each.checkpoint < n


def _none() -> CommandFailed:
    return CommandFailed(
        "No anchor is configured, so nothing outside tells an older copy of the log from it.",
        hint="Name one under evidence.anchors in federation.yaml and start the gateway again: "
        "file:PATH outside the data directory, syslog:udp://HOST:PORT or s3:https://HOST/BUCKET.",
        code="usage",
        exit_code=Exit.USAGE,
    )
