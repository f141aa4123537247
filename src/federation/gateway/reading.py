"""A client's call in the canonical form, read at most once, and an answer back in its words.

Most calls are never read: between equal dialects the client's bytes go on as they are. What
is read is read before the first attempt that needs it, and kept for the next ones.
"""

from __future__ import annotations

from msgspec import structs

from federation.dialects.carriage import WITHOUT_PLACE, fit, unwrap, wrap
from federation.dialects.carriage_stream import Wrapper
from federation.dialects.faces import ClientFace
from federation.schema.chat import ChatRequest, ChatResponse
from federation.schema.glance import Answer, Glance
from federation.schema.http import ClientRequest


class Reading:
    """One call's canonical form. `key` is the one that envelopes of states are made with.

    `identity` is the answer's id where it is ours to give. `makers` made states that stand
    in the call as they were given: only one who made them all may get its bytes.
    """

    __slots__ = ("_canonical", "_face", "_glance", "_key", "_request", "identity", "makers")

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

    def canonical(self) -> ChatRequest:
        """The call with the states in it as their makers wrote them. Raises `InvalidRequest`
        with the field at fault."""
        if self._canonical is None:
            read = self._face.parse(self._request, self._glance)
            self._canonical = unwrap(read, self._key)
        return self._canonical

    def fitted(self, maker: str) -> tuple[ChatRequest, bool]:
        """The call without states of others than `maker`, and whether any was left out."""
        return fit(self.canonical(), maker)

    def rendered(self, response: ChatResponse, maker: str, call_id: str, at: int) -> bytes:
        """A provider's answer as the client expects it, states in envelopes; the call's id and
        its time (Unix seconds) stand in for those that the provider does not give."""
        dialect = self._face.name
        if self.identity or not response.id:
            response = structs.replace(response, id=self.identity or call_id)
        if not response.created:
            response = structs.replace(response, created=at)
        carried = wrap(response, maker, self._key, dialect, ids=dialect in WITHOUT_PLACE)
        return self._face.render(carried, self.canonical())

    def wrapper(self, maker: str) -> Wrapper:
        """The same for the states of a stream."""
        dialect = self._face.name
        return Wrapper(maker, self._key, dialect, ids=dialect in WITHOUT_PLACE)


def answer_of(response: ChatResponse) -> Answer:
    """What the account keeps of an answer."""
    finish = response.choices[0].finish if response.choices else ""
    return Answer(response.model, finish, response.usage)
