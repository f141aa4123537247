"""The deadlines of one attempt: gathers what `resilience.deadlines` decides on."""

from __future__ import annotations

from federation.domain.catalogue import Ability, Deployment
from federation.domain.routes import LONGEST_S, Deadlines
from federation.errors import UpstreamError, UpstreamTimeout
from federation.gateway.call import AnyCall, Call
from federation.gateway.world import Situation, World
from federation.resilience.deadlines import SHORT_S, Prospect, deadlines, due_s
from federation.routing.names import Resolved
from federation.routing.request import Verdict
from federation.schema.http import Timeouts

_FRESH_S = 1.0
_OVER = "The time that the client gave this call is over. Ask for longer in X-Timeout-Ms."


def left_s(world: World, call: AnyCall) -> float:
    """How long the client still waits: what it said, and never more than ten minutes."""
    wanted_ms = call.glance.ask.timeout_ms
    whole_s = LONGEST_S if wanted_ms is None else min(wanted_ms / 1000.0, LONGEST_S)
    return call.started + whole_s - world.clock()


def timeouts_for(
    world: World, situation: Situation, call: Call, verdict: Verdict, index: int, *, others: bool
) -> Timeouts:
    """The deadlines of one attempt at a chat; `others`: another candidate is left.

    What holds for a call that nobody hurries and that is predicted to be short is the same
    for all such calls, and worked out once a second.
    """
    if world.situation is not situation:
        # The board follows another snapshot by now: its columns are not this call's.
        return plain_timeouts(world, situation, call, verdict.target, index)
    live = world.health.columns
    glance, target = call.glance, verdict.target
    tokens = verdict.case.output_tokens
    if glance.max_output is not None and glance.max_output > tokens:
        tokens = glance.max_output
    expected_s = live.first_token_ms[index] / 1000.0 + tokens / live.tokens_per_s[index]
    now = world.clock()
    usual = glance.stream or expected_s < SHORT_S
    usual = usual and glance.ask.timeout_ms is None and now - call.started < _FRESH_S
    place = (target.name, index, glance.stream, others)
    if usual:
        known = situation.timeouts.get(place)
        if known is not None and now < known[0]:
            return known[1]
    prospect = Prospect(
        stream=glance.stream,
        others=others,
        thinks=Ability.REASONING in situation.snapshot.deployments[index].model.abilities,
        p99_first_s=live.p99_first_ms[index] / 1000.0,
        expected_s=expected_s,
        left_s=LONGEST_S if usual else left_s(world, call),
    )
    found = deadlines(_said(situation, target, index), prospect)
    if usual:
        situation.timeouts[place] = (now + _FRESH_S, found)
    return found


def plain_timeouts(
    world: World, situation: Situation, call: AnyCall, target: Resolved | None, index: int
) -> Timeouts:
    """The same for what is not a chat: how long it takes cannot be told beforehand, so only
    what somebody said shortens it."""
    prospect = Prospect(
        stream=False,
        others=False,
        thinks=False,
        p99_first_s=0.0,
        expected_s=0.0,
        left_s=left_s(world, call),
    )
    return deadlines(_said(situation, target, index), prospect)


def _said(situation: Situation, target: Resolved | None, index: int) -> Deadlines:
    own = situation.snapshot.deployments[index].provider.deadlines
    general = situation.snapshot.settings.deadlines
    if own is None:
        return general if target is None else target.deadlines
    said = own if target is None else target.own_deadlines.over(own)
    return said.over(general)


def out_of_time(error: UpstreamError | None) -> UpstreamError:
    """What a client gets whose own deadline has passed."""
    return error or UpstreamTimeout(_OVER)


def hurried(
    world: World, call: AnyCall, deployment: Deployment, error: UpstreamTimeout, took_s: float
) -> bool:
    """Whether a timeout is due to the client, who did not wait; then the error says so.

    The trap: if such a timeout were held against the deployment, a client that gives one second,
    or asks for more than can be had in three, could put it into cooldown for everybody. The
    deployment is at fault if it was silent for as long as is allowed when nobody is in a hurry,
    or if it is usually quicker and has answered nobody since.

    How long anything but a chat takes cannot be predicted, nor does the length of a stream say
    anything: for these `took_s` is 0.
    """
    if call.glance.ask.timeout_ms is None or error.upstream_status or left_s(world, call) > 0.0:
        return False
    board, now, stream = world.health, world.clock(), call.glance.stream
    seen = None
    if not board.answers_since(deployment.id, now - took_s):
        seen = (board.first_byte if stream else board.whole)(deployment.id, now)
    prospect = Prospect(
        stream=stream,
        others=True,
        thinks=Ability.REASONING in deployment.model.abilities,
        p99_first_s=0.0,
        expected_s=0.0,
        left_s=LONGEST_S,
    )
    if took_s >= due_s(prospect, 0.0 if seen is None else seen.p99 / 1000.0):
        return False
    error.hurried, error.message = True, _OVER
    return True
