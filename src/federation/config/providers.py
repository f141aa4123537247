"""The catalogue, the operator's rows and the environment become one table of providers.

Who wins, from the strongest: FEDERATION_PROVIDER_<ID>_<KEY>, the files (later over
earlier), the variables that vendors and older products use, the catalogue. The trap is a
credential that wanders: a row that `extends` another under a new address does not inherit
the variables in which the other's key is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from federation.config import addresses
from federation.config.document import Place
from federation.config.moved import moved
from federation.config.nearest import nearest, unknown_word
from federation.config.overlay import at_this_machine, lay, new_provider
from federation.config.provider_files import Entry
from federation.config.quantities import header_value
from federation.config.quantities import name as checked_name
from federation.config.region_controls import pinned
from federation.config.variables import PROVIDER_VARIABLES, ProviderVariable, variable_word
from federation.config.words import DIALECTS
from federation.domain.catalogue import Auth, Model, Provider
from federation.domain.quirks import SHAPES, misplaced
from federation.errors import Problem

_MOVING = ("address", "host", "port")
"""What variables set that leads elsewhere."""


@dataclass(slots=True)
class Merge:
    """The table as it grows, and what was noticed on the way."""

    catalogue: Mapping[str, Provider]
    environ: Mapping[str, str]
    places: Mapping[str, Place]
    problems: list[Problem]
    warnings: list[Problem] = field(default_factory=list)
    table: dict[str, Provider] = field(default_factory=dict)
    configured: set[str] = field(default_factory=set)
    addressed: set[str] = field(default_factory=set)
    """Whose address an operator wrote: vendors' variables do not move them."""
    keyless: set[str] = field(default_factory=set)
    """New rows that say nothing of signing in: without a credential they need none."""

    def run(self, entries: list[Entry]) -> None:
        """Fill `table` and `configured`."""
        written: dict[str, list[Entry]] = {}
        for entry in entries:
            written.setdefault(entry.row.id, []).append(entry)
        self.configured = set(written)
        makers = frozenset(
            model.id for row in self.catalogue.values() for model in row.models if model.maker
        )
        rows = Rows(self, written, makers)
        self.table = dict(self.catalogue)
        for provider in written:
            rows.resolve(provider)
        for provider in self.table:
            self._from_environment(provider, written.get(provider, ()))
        for provider in sorted(self.configured & self.table.keys()):
            if self.table[provider].enabled and not self.table[provider].models:
                self.warnings.append(modelless(provider))

    def warn(self, provider: str, message: str) -> None:
        """Note something that the operator should know and that stops nothing."""
        self.warnings.append(Problem(f"provider {provider}", None, message))

    def settled(self, row: Provider, known: Provider, entries: Iterable[Entry]) -> Provider:
        """A row that stands at its own address now, with what is known of it there."""
        fields = {name for entry in entries for name in entry.row.model_fields_set}
        row, lost = moved(row, known, fields)
        if lost:
            host = urlsplit(row.base_url).hostname
            self.warn(row.id, f"moved to {host}, where nobody knows {lost}: say it in its row")
        return row

    def _from_environment(self, provider: str, entries: Iterable[Entry]) -> None:
        row = self.table[provider]
        row = self.settled(self._address(row), row, entries)
        row = self._headers(row)
        row = self._credential(row)
        row = self._filled(row)
        if provider in self.addressed or row.local:
            row = replace(row, private=True)
        if row.local and provider not in self.configured:
            # Nobody said that it runs here; it needs no key, so nothing else would keep
            # `auto` from asking a port where nobody listens.
            row = replace(row, enabled=False)
        if row is not self.table[provider]:
            self.table[provider] = row

    def has_key(self, row: Provider) -> bool:
        """Whether a row, or the variable of its name, says where a credential is."""
        return row.credential is not None or bool(self._set(f"{variable_word(row.id)}_API_KEY"))

    def _set(self, name: str) -> str | None:
        """The value of a variable; empty counts as not set."""
        return self.environ.get(name) or None

    def _address(self, row: Provider) -> Provider:
        variables = [
            ProviderVariable(f"{variable_word(row.id)}_API_BASE", row.id, "address", ""),
            *(
                ProviderVariable(name, row.id, "address", "")
                for name in _words(row.quirks.get("base_env"))
            ),
            *(v for v in PROVIDER_VARIABLES if v.provider == row.id),
        ]
        for variable in variables:
            text = self._set(variable.name)
            moves = variable.key in _MOVING
            if text is None or (moves and row.id in self.addressed):
                continue
            try:
                changed = _changed(row, variable.key, text)
            except ValueError as error:
                place = self.places[variable.name]
                message = f"{variable.name} {error}"
                self.problems.append(Problem(place.where, place.line, message))
                continue
            if changed is not row:
                row = changed
                self.configured.add(row.id)
                if variable.key == "address":
                    self.addressed.add(row.id)
        return row

    def _headers(self, row: Provider) -> Provider:
        wanted = row.quirks.get("header_env")
        if not isinstance(wanted, dict):
            return row
        extra: dict[str, str] = {}
        for header, name in wanted.items():
            text = self._set(str(name))
            if text is None:
                continue
            try:
                extra[header.lower()] = header_value(text)
            except ValueError as error:
                place = self.places[str(name)]
                self.problems.append(Problem(place.where, place.line, f"{name} {error}"))
        return replace(row, auth=replace(row.auth, extra=row.auth.extra | extra)) if extra else row

    def _credential(self, row: Provider) -> Provider:
        if row.auth.scheme == "none":
            return row
        reference = row.credential
        if reference is None:
            names = (f"{variable_word(row.id)}_API_KEY", *row.env)
            found = next((name for name in names if self._set(name)), None)
            reference = f"env:{found}" if found else None
            if found is not None:
                self.configured.add(row.id)
        if reference is None:
            optional = row.id in self.keyless or bool(row.quirks.get("auth_optional"))
            return replace(row, auth=Auth("none", "", "", row.auth.extra)) if optional else row
        host = urlsplit(row.base_url).hostname or ""
        if row.base_url.startswith("http://") and "." in host and not at_this_machine(row):
            self.warn(row.id, "its credential is sent over http, readable on the way: use https")
        return row if reference == row.credential else replace(row, credential=reference)

    def _filled(self, row: Provider) -> Provider:
        names = addresses.placeholders(row.base_url)
        if not names:
            return row
        known = row.quirks.get("placeholders")
        variables = dict(known) if isinstance(known, dict) else {}
        variables |= {
            v.key.removeprefix("placeholder:"): v.name
            for v in PROVIDER_VARIABLES
            if v.provider == row.id and v.key.startswith("placeholder:") and self._set(v.name)
        }
        values = {
            name: value
            for name in names
            if (value := self._set(str(variables.get(name, "")))) is not None
        }
        hosts = row.quirks.get("place_hosts")
        try:
            address = addresses.at_place(
                row.base_url, values, hosts if isinstance(hosts, dict) else {}
            )
            address = addresses.fill(address, values)
        except ValueError as error:
            used = ", ".join(str(variables[name]) for name in values)
            self.problems.append(Problem(f"provider {row.id}", None, f"{used} {error}"))
            return row
        missing = [str(variables.get(name, f"base_url with {name}")) for name in names]
        missing = [name for name in missing if not self._set(name)]
        if missing and row.credential is not None:
            self.warn(row.id, f"cannot be used: its address needs {', '.join(missing)}")
            return replace(row, base_url=address, credential=None)
        return replace(row, base_url=address)


def modelless(provider: str) -> Problem:
    """What is said of a configured provider of which no model is known."""
    message = (
        "no call reaches it: list its models in its row in providers.yaml, or start it before "
        "`federation up`, which asks local servers for theirs"
    )
    return Problem(f"provider {provider}", None, message)


@dataclass(slots=True)
class Rows:
    """Lays the operator's rows over what they build on, each after what it extends."""

    merge: Merge
    written: dict[str, list[Entry]]
    makers: frozenset[str]
    _open: list[str] = field(default_factory=list)
    _done: set[str] = field(default_factory=set)

    def resolve(self, provider: str) -> Provider | None:
        """The row of `provider`, None where it cannot be made (a problem then says why)."""
        merge = self.merge
        if provider in self._done or provider not in self.written:
            return merge.table.get(provider)
        entries = self.written[provider]
        self._open.append(provider)
        row = self._build(provider, entries)
        if row is not None:
            row = self._pinned(row, entries)
        self._open.pop()
        self._done.add(provider)
        if row is None:
            merge.table.pop(provider, None)
            return None
        merge.table[provider] = row
        self._check(row, entries)
        return row

    def _build(self, provider: str, entries: list[Entry]) -> Provider | None:
        base = self.merge.catalogue.get(provider)
        extending = [entry for entry in entries if entry.row.extends is not None]
        if extending:
            base = self._extended(provider, extending[-1])
            if base is None:
                return None
        if base is None:
            return self._new(provider, entries)
        known = base
        for entry in entries:
            base = lay(base, entry.row, self.makers)
            if entry.row.base_url is not None:
                self.merge.addressed.add(provider)
        base = self.merge.settled(base, known, entries)
        if extending and any(entry.row.base_url for entry in entries):
            base = replace(base, env=())
        return base

    def _pinned(self, row: Provider, entries: list[Entry]) -> Provider | None:
        """The row in the region that was wished for; None (a problem says why) where it cannot."""
        wished = [entry for entry in entries if entry.row.region is not None]
        if not wished:
            return row
        entry, region = wished[-1], wished[-1].row.region or ""
        if any(each.row.base_url or each.row.regions for each in entries):
            message = "'region' takes the address and the regions from the row: leave them out"
            self.merge.problems.append(entry.problem(message, "region"))
            return None
        try:
            return pinned(row, region)
        except ValueError as error:
            message = f"'{row.id}' {error}"
            self.merge.problems.append(entry.problem(message, "region"))
            return None

    def _extended(self, provider: str, entry: Entry) -> Provider | None:
        wanted = entry.row.extends
        assert wanted is not None  # noqa: S101 - the caller chose an entry that extends
        known = (self.merge.catalogue.keys() | self.written.keys()) - {provider}
        if wanted in self._open:
            circle = " -> ".join([*self._open[self._open.index(wanted) :], wanted])
            self.merge.problems.append(entry.problem(f"goes in a circle: {circle}", "extends"))
            return None
        if wanted not in known:
            message = unknown_word("provider", wanted, known)
            self.merge.problems.append(entry.problem(f"'extends' names an {message}", "extends"))
            return None
        base = self.resolve(wanted)
        if base is None:
            return None
        if wanted in self.merge.keyless and not self.merge.has_key(base):
            self.merge.keyless.add(provider)
        name = entry.row.name or provider
        return replace(base, id=provider, name=name, credential=None, enabled=True)

    def _new(self, provider: str, entries: list[Entry]) -> Provider | None:
        rows = [entry.row for entry in entries]
        dialect = next((row.dialect for row in rows if row.dialect), None)
        address = next((row.base_url for row in rows if row.base_url), None)
        if dialect is None or address is None:
            missing = " and ".join(
                key for key, found in (("dialect", dialect), ("base_url", address)) if not found
            )
            hint = nearest(provider, self.merge.catalogue)
            message = f"'{provider}' is not in the catalogue{hint}; a new provider needs {missing}"
            self.merge.problems.append(entries[0].problem(message, "id"))
            return None
        first = rows[0].model_copy(update={"dialect": dialect, "base_url": address})
        made = new_provider(first, self.makers)
        for row in rows[1:]:
            made = lay(made, row, self.makers)
        self.merge.addressed.add(provider)
        if all(row.auth is None for row in rows):
            self.merge.keyless.add(provider)
        return made

    def _check(self, row: Provider, entries: list[Entry]) -> None:
        dialects = DIALECTS | {known.dialect for known in self.merge.catalogue.values()}
        for entry in entries:
            if entry.row.dialect is not None and entry.row.dialect not in dialects:
                message = unknown_word("dialect", entry.row.dialect, dialects)
                self.merge.problems.append(entry.problem(message, "dialect"))
            for path, value in entry.quirks():
                if message := _quirk_fault(str(path[-1]), value, row.dialect):
                    self.merge.problems.append(entry.problem(message, *path))
            if entry.row.simulated and not at_this_machine(row):
                message = "'simulated' is only for addresses of this machine"
                self.merge.problems.append(entry.problem(message, "simulated"))


def _quirk_fault(word: str, value: object, dialect: str) -> str:
    """What is wrong with a quirk; empty where nothing is."""
    shape = SHAPES.get(word)
    if shape is None:
        return unknown_word("quirk", word, SHAPES)
    if shape.fits(value):
        return misplaced(word, dialect)
    hint = nearest(value, shape.words) if isinstance(value, str) else ""
    return f"the quirk '{word}' should be {shape.said}{hint}"


def _words(value: object) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list | tuple) else []


def _changed(row: Provider, key: str, text: str) -> Provider:
    """`row` under one variable's value. Raises `ValueError` with the rest of a sentence."""
    kind, _, detail = key.partition(":")
    if kind in ("address", "host"):
        return replace(row, base_url=addresses.complete(text, row.base_url))
    if kind == "port":
        return replace(row, base_url=addresses.with_port(text, row.base_url))
    if kind == "header":
        extra = row.auth.extra | {detail: header_value(text)}
        return replace(row, auth=replace(row.auth, extra=extra))
    if kind == "model":
        known = {model.id for model in row.models}
        names = [checked_name(part.strip()) for part in text.split(",") if part.strip()]
        added = tuple(Model(id=name, name=name) for name in names if name not in known)
        return replace(row, models=(*row.models, *added))
    return row
