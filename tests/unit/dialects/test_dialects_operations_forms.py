"""Forms are read strictly and spliced without touching a file."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.operations import forms
from federation.errors import CallerError, InvalidRequest, PayloadTooLarge, UnsupportedMedia

TYPE = b"multipart/form-data; boundary=xyz"
NL = b"\r\n"


def part(name: bytes, value: bytes, more: bytes = b"", lines: tuple[bytes, ...] = ()) -> bytes:
    head = b'Content-Disposition: form-data; name="%b"%b' % (name, more)
    return b"--xyz" + NL + NL.join((head, *lines)) + NL + NL + value + NL


def whole(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xyz--" + NL


SOUND = part(b"file", b"RIFF\x00\r\n\xff--", b'; filename="a b.wav"', (b"Content-Type: audio/wav",))
MODEL = part(b"model", b"whisper-1")


def test_parts_are_found_where_they_stand() -> None:
    body = whole(SOUND, MODEL)
    form = forms.read_form(TYPE, body)
    file, model = form.parts
    assert (file.name, file.filename, file.media_type) == ("file", "a b.wav", "audio/wav")
    assert body[file.value : file.end] == b"RIFF\x00\r\n\xff--"
    assert (model.name, model.filename) == ("model", None)
    assert forms.text_of(body, model) == "whisper-1"
    assert body[model.opening :].startswith(b"--xyz\r\n")
    assert body[form.closing :] == b"\r\n--xyz--\r\n"


@pytest.mark.parametrize("order", [(SOUND, MODEL), (MODEL, SOUND), (SOUND,), (MODEL, SOUND, MODEL)])
def test_the_model_is_replaced_or_put_in_and_nothing_else_changes(order: tuple[bytes, ...]) -> None:
    body = whole(*order)
    changed = forms.splice_form(body, forms.read_form(TYPE, body), {"model": b"large-v3"})
    renamed = part(b"model", b"large-v3")
    expected = [renamed if piece == MODEL else piece for piece in order]
    if MODEL not in order:
        expected.insert(0, renamed)
    assert changed == whole(*expected)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_part_is_taken_out_wherever_it_stands(place: int) -> None:
    parts = [SOUND, MODEL]
    parts.insert(place, part(b"federation", b"{}"))
    body = whole(*parts)
    form = forms.read_form(TYPE, body)
    assert forms.splice_form(body, form, {}, ["federation"]) == whole(SOUND, MODEL)


def test_a_value_that_could_hold_a_delimiter_is_not_put_in() -> None:
    form = forms.read_form(TYPE, whole(MODEL))
    for value in (b"a\r\nb", b"--xyz", b"a\nb"):
        with pytest.raises(ValueError, match="one line"):
            forms.splice_form(whole(MODEL), form, {"model": value})


@pytest.mark.parametrize(
    "content_type",
    [
        b"",
        b"application/json",
        b"multipart/mixed; boundary=xyz",
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=a b",
        b'multipart/form-data; boundary="a b"',
        b"multipart/form-data; boundary=xyz; boundary=abc",
        b"multipart/form-data; boundary*0=xy; boundary*1=z",
        b"multipart/form-data; boundary=" + b"x" * 71,
        b"multipart/form-data; boundary=x\xe4",
    ],
)
def test_other_content_types_are_refused(content_type: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        forms.boundary_of(content_type)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b"multipart/form-data; boundary=xyz", b"xyz"),
        (b"Multipart/Form-Data;boundary=xyz", b"xyz"),
        (b'multipart/form-data; boundary="a/b?c"', b"a/b?c"),
        (b"multipart/form-data; boundary=xyz; charset=utf-8", b"xyz"),
        (
            b"multipart/form-data; boundary=----WebKitFormBoundaryAbC12",
            b"----WebKitFormBoundaryAbC12",
        ),
    ],
)
def test_usual_content_types_are_read(content_type: bytes, boundary: bytes) -> None:
    assert forms.boundary_of(content_type) == boundary


def head(*lines: bytes) -> bytes:
    return b"--xyz" + NL + NL.join(lines) + NL + NL + b"v" + NL + b"--xyz--"


DISPOSITION = b'Content-Disposition: form-data; name="a"'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xyz--",
        b"--xyz--\r\n",
        b"--xyz\r\n\r\nv\r\n--xyz--",
        b"preamble\r\n" + whole(MODEL),
        b"\r\n" + whole(MODEL),
        whole(MODEL) + b"epilogue",
        whole(MODEL) + whole(MODEL),
        whole(MODEL)[:-4],
        whole(MODEL)[:-9],
        whole(MODEL).replace(b"\r\n", b"\n"),
        whole(MODEL).replace(b"--xyz\r\n", b"--xyz \r\n"),
        whole(MODEL).replace(b"--xyz--", b"--xyzz--"),
        whole(part(b"a", b"one\n--xyz\ntwo")),
        whole(part(b"a", b"one --xyz two")),
        whole(part(b"a", b"--xyz")),
        whole(part(b"a", b"v", lines=(b"Content-Transfer-Encoding: base64",))),
        whole(part(b"a", b"v", lines=(b"Content-Type: multipart/mixed; boundary=q",))),
        whole(part(b"a", b"v", lines=(b"Content-Length: 2",))),
        whole(part(b"a", b"v", lines=(b"X-Model: b",))),
        whole(part(b"a", b"v", lines=(DISPOSITION,))),
        whole(part(b"a", b"v", lines=(b" folded: x",))),
        whole(part(b"a", b"v", lines=(b"Content-Type : text/plain",))),
        whole(part(b"a", b"v", lines=(b"Content-Type: " + b"x" * 5000,))),
        whole(part(b"a\\", b"v", b'; filename="x"')),
        whole(part(b"a", b"v", b'; filename="x\\"; name="model"')),
        whole(part(b"a", b"v", b'; name="b"')),
        whole(part(b"a", b"v", b'; NAME="b"')),
        whole(part(b"a", b"v", b"; name*=utf-8''model")),
        whole(part(b"a", b"v", b"; size=3")),
        whole(part(b"a b", b"v")),
        whole(part(b"mod%65l", b"v")),
        whole(part(b"", b"v")),
        whole(part("ä".encode(), b"v")),
        head(b'Content-Disposition: attachment; name="a"'),
        head(b"Content-Disposition: form-data"),
        head(b'Content-Disposition: form-data; name="a'),
        head(b'Content-Disposition: form-data; name="a" filename="b"'),
        head(b"Content-Type: text/plain"),
    ],
)
def test_what_readers_could_take_differently_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        forms.read_form(TYPE, body)
    assert caught.value.code == "invalid_form"


def test_too_many_parts_are_refused() -> None:
    assert len(forms.read_form(TYPE, whole(*[MODEL] * forms.MOST_PARTS)).parts) == forms.MOST_PARTS
    with pytest.raises(PayloadTooLarge):
        forms.read_form(TYPE, whole(*[MODEL] * (forms.MOST_PARTS + 1)))


def test_a_text_part_must_be_utf8_and_of_usual_size() -> None:
    body = whole(part(b"prompt", b"\xff"))
    with pytest.raises(InvalidRequest, match="UTF-8"):
        forms.text_of(body, forms.read_form(TYPE, body).parts[0])
    body = whole(part(b"prompt", b"x" * (forms.MOST_TEXT_BYTES + 1)))
    with pytest.raises(InvalidRequest, match="longer"):
        forms.text_of(body, forms.read_form(TYPE, body).parts[0])


@pytest.mark.parametrize("line", [b"Content-Transfer-Encoding: binary", b"content-length: 1"])
def test_header_lines_that_change_nothing_are_taken(line: bytes) -> None:
    assert len(forms.read_form(TYPE, whole(part(b"a", b"v", lines=(line,)))).parts) == 1


NAMES = st.from_regex(re.compile(r"[a-z][a-z0-9_]{0,8}(\[\])?", re.ASCII), fullmatch=True)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=60)), min_size=1, max_size=8))
def test_any_form_reads_as_it_was_written(fields: list[tuple[str, bytes]]) -> None:
    body = whole(*[part(name.encode(), value) for name, value in fields])
    if any(b"--xyz" in value for _, value in fields):
        return
    form = forms.read_form(TYPE, body)
    assert [(found.name, body[found.value : found.end]) for found in form.parts] == fields
    assert forms.splice_form(body, form, {}) == body


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_damaged_form_is_refused_and_never_breaks_us(data: st.DataObject) -> None:
    body = bytearray(whole(SOUND, MODEL))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        form = forms.read_form(TYPE, bytes(body))
    except CallerError:
        return
    assert forms.splice_form(bytes(body), form, {}) == body
