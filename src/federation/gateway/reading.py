"""A client's call in the canonical form, read at most once; and answers in the client's dialect.

Most calls are never read: between equal dialects the client's bytes go on as they are. What
is read is read before the first attempt that needs it, and kept for the next ones.
"""

from __future__ import annotations

from msgspec import structs

from federation.dialects.carriage import NOBODY, WITHOUT_PLACE, fit, unwrap, wrap
from federation.dialects.carriage_stream import Wrapper
from federation.dialects.faces import ClientFace
from federation.dialects.origins import Origins
from federation.dialects.tool_names import originals, with_originals
from federation.dialects.untold import Untold
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.glance import Answer, Glance
from federation.schema.http import ClientRequest


class Reading:
    """One call's canonical form. `key` is the one that envelopes of states are made with.

    `identity` is the answer's id where it is ours to give. `makers` made states that stand
    in the call as they were given: only one who made them all may get its bytes. `origins`
    know the makers of states that came without an envelope; `stateless`: nobody gets any.
    `changed`: what may go out is not what the client sent, so its bytes stay here. `left_out`:
    what the client's language had no place for in the answer that was rendered last.
    """

    __slots__ = (
        "_canonical", "_face", "_glance", "_key", "_request", "changed", "identity",
        "left_out", "makers",
        "origins", "stateless",
    )  # fmt: skip

    def __init__(
        self,
        face: ClientFace,
        request: ClientRequest,
        glance: Glance,
        key: bytes,
        identity: str = "",
        makers: frozenset[str] = frozenset(),
    ) -> None:
        self._face = face
        self._request = request
        self._glance = glance
        self._key = key
        self._canonical: ChatRequest | None = None
        self.identity = identity
        self.makers = makers
        self.origins: Origins | None = None
        self.stateless = False
        self.changed = False
        self.left_out: tuple[str, ...] = ()

    def screened(self, request: ChatRequest) -> Reading:
        """The same call with `request` as what may go out of it."""
        reading = Reading(
            self._face, self._request, self._glance, self._key, self.identity, self.makers
        )
        reading._canonical = request
        reading.origins, reading.stateless = self.origins, self.stateless
        reading.changed = self.changed or request != self._canonical
        return reading

    def canonical(self) -> ChatRequest:
        """The call with the states in it as their makers wrote them. Raises `InvalidRequest`
        with the field at fault."""
        if self._canonical is None:
            read = self._face.parse(self._request, self._glance)
            self._canonical = unwrap(read, self._key)
        return self._canonical

    def fitted(self, maker: str) -> tuple[ChatRequest, bool]:
        """The call without states of others than `maker`, and whether any was left out."""
        if self.stateless:
            return fit(self.canonical(), NOBODY)
        return fit(self.canonical(), maker, self.origins)

    def untold(self) -> Untold:
        """What gathers all that the client's language leaves out of the answer to this call.
        Raises as `canonical` does."""
        face = self._face
        return Untold(face.name, face.untold, one_call=face.one_call(self.canonical()))

    def rendered(self, response: ChatResponse, maker: str, call_id: str, at: int) -> bytes:
        """A provider's answer as the client expects it, states in envelopes; the call's id and
        its time (Unix seconds) stand in for those that the provider does not give."""
        dialect = self._face.name
        if self.identity or not response.id:
            response = structs.replace(response, id=self.identity or call_id)
        if not response.created:
            response = structs.replace(response, created=at)
        untold = self.untold()
        untold.hear(response)
        self.left_out = untold.found()
        response = with_originals(response, originals(self.canonical()))
        carried = wrap(response, maker, self._key, dialect, ids=dialect in WITHOUT_PLACE)
        return self._face.render(carried, self.canonical())

    def wrapper(self, maker: str) -> Wrapper:
        """The same for the states of a stream."""
        dialect = self._face.name
        ids, names = dialect in WITHOUT_PLACE, originals(self.canonical())
        return Wrapper(maker, self._key, dialect, ids=ids, names=names)


def answer_of(response: ChatResponse) -> Answer:
    """What the account keeps of an answer."""
    finish = response.choices[0].finish if response.choices else ""
    return Answer(response.model, finish, response.usage)
