"""The official client's own model of Converse, as a judge of what we write.

`botocore` checks neither enumerations nor patterns nor lengths above a minimum, and leaves
members out that it does not know; so a body is first walked along the shapes here, and only
then handed to its validator, serializer and parsers.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterable
from typing import Any

import botocore.session
from botocore.awsrequest import HeadersDict
from botocore.eventstream import EventStream
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import validate_parameters


@functools.cache
def service() -> ServiceModel:
    """The vendor's service model."""
    loader = botocore.session.get_session().get_component("data_loader")
    return ServiceModel(loader.load_service_model("bedrock-runtime", "service-2"))


def operation(name: str) -> OperationModel:
    """One operation of it."""
    return service().operation_model(name)


def params_of(shape: Shape, value: Any, path: str = "body") -> Any:
    """What a program would have passed to have this sent; every rule of the model is checked."""
    kind = shape.type_name
    if kind == "structure":
        if getattr(shape, "is_document_type", False):
            return value
        assert isinstance(value, dict), path
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{path}: unknown members {unknown}"
        assert set(shape.required_members) <= set(value) | {"modelId"}, (path, value)
        if getattr(shape, "is_tagged_union", False):
            assert len(value) == 1, f"{path}: {sorted(value)}"
        return {
            name: params_of(shape.members[name], item, f"{path}.{name}")
            for name, item in value.items()
        }
    if kind == "list":
        assert isinstance(value, list), path
        _check_length(shape, value, path)
        return [params_of(shape.member, item, f"{path}[{i}]") for i, item in enumerate(value)]
    if kind == "map":
        assert isinstance(value, dict), path
        _check_length(shape, value, path)
        for name in value:
            params_of(shape.key, name, f"{path} key")
        return {
            name: params_of(shape.value, item, f"{path}.{name}") for name, item in value.items()
        }
    if kind == "blob":
        data = base64.b64decode(value, validate=True)
        _check_length(shape, data, path)
        return data
    if kind == "string":
        assert isinstance(value, str), path
        assert not shape.enum or value in shape.enum, f"{path}: {value!r}"
        pattern = shape.metadata.get("pattern")
        assert pattern is None or re.fullmatch(pattern, value), f"{path}: {value!r}"
        _check_length(shape, value, path)
        return value
    if kind in ("float", "double", "integer", "long"):
        assert isinstance(value, int | float), path
        assert not isinstance(value, bool), path
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        assert low is None or value >= low, f"{path}: {value}"
        assert high is None or value <= high, f"{path}: {value}"
        return value
    assert kind == "boolean", (path, kind)
    assert isinstance(value, bool), path
    return value


def _check_length(shape: Shape, value: Any, path: str) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    assert low is None or len(value) >= low, f"{path}: too short"
    assert high is None or len(value) <= high, f"{path}: too long"


def check_request(target: str, body: bytes, *, model: str) -> dict[str, Any]:
    """Check a request that goes upstream: the vendor's serializer must write the same one.

    Returns the body's members.
    """
    found: dict[str, Any] = json.loads(body)
    stream = target.endswith("converse-stream")
    shape = operation("ConverseStream" if stream else "Converse")
    params = params_of(shape.input_shape, found) | {"modelId": model}
    validate_parameters(params, shape.input_shape)
    written = create_serializer("rest-json").serialize_to_request(params, shape)
    assert json.loads(written["body"]) == found
    assert written["url_path"] == target
    return found


def parse_answer(body: bytes) -> dict[str, Any]:
    """What the client's program sees of a whole answer; unknown members fail."""
    shape = operation("Converse").output_shape
    params_of(shape, {k: v for k, v in json.loads(body).items() if k != "router_metadata"})
    response = {"status_code": 200, "headers": HeadersDict(), "body": body}
    parsed: dict[str, Any] = create_parser("rest-json").parse(response, shape)
    return parsed


class _Pieces:
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    def stream(self) -> Iterable[bytes]:
        return self._pieces

    def close(self) -> None:
        pass


def parse_stream(pieces: Iterable[bytes]) -> list[dict[str, Any]]:
    """The events that the client's program sees. Raises the client's `EventStreamError`."""
    shape = operation("ConverseStream").output_shape.members["stream"]
    parser = create_parser("rest-json")
    stream = EventStream(_Pieces(pieces), shape, parser._event_stream_parser, "ConverseStream")
    events = list(stream)
    for event in events:
        check_event(event)
    return events


def check_event(event: dict[str, Any]) -> None:
    """Check a parsed event against the model's required members."""
    shape = operation("ConverseStream").output_shape.members["stream"]
    ((name, value),) = event.items()
    required = shape.members[name].required_members
    assert set(required) <= set(value), (name, value)
