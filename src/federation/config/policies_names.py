"""Whether the names in a rule are names of anything: a typo in a denial would deny nothing.

Names of providers are looked up in the table, and so are models that a rule denies: whoever
means a model that is not there yet writes a pattern (`grok-*`). Conditions are not read here;
`governance` compiles them, and says the file and line that a rule carries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from federation.config import quantities
from federation.config.nearest import nearest, unknown_word
from federation.config.policies_rows import RuleRow
from federation.config.policies_words import TIERS
from federation.domain.catalogue import Provider
from federation.domain.routes import AUTO

_GROUPS = ("*", "local", "remote")
_PROVIDER_RULES = ("allowed_providers", "denied_providers")
_MODEL_RULES = ("allowed_models", "denied_models")


class Names:
    """Every name that a selector may hold."""

    def __init__(self, providers: Mapping[str, Provider], routes: Collection[str]) -> None:
        self._providers = providers
        self._routes = routes
        self._models: set[str] | None = None

    def faults(self, row: RuleRow) -> Iterator[tuple[str, str]]:
        """(key of the rule, what is wrong with a name in it)."""
        for key in _PROVIDER_RULES:
            yield from self._selectors(key, getattr(row, key) or ())
        if row.prohibited_data is not None:
            yield from self._selectors("prohibited_data", row.prohibited_data)
        if row.approval is not None:
            yield from self._selectors("approval", row.approval.at)
        for key in _MODEL_RULES:
            for name in getattr(row, key) or ():
                if (fault := self._model(name, loose=key == "denied_models")) is not None:
                    yield key, f"'{key}' names an {fault}"

    def unknown_route(self, name: str) -> str | None:
        """What is wrong with a name that no call can ask for; in any case of letters."""
        known = {*self._routes, *self._every_model(), AUTO}
        if name.casefold() in {each.casefold() for each in known}:
            return None
        return f"unknown route or model '{name[:80]}'{nearest(name, known)}"

    def _selectors(self, key: str, selectors: Iterable[str]) -> Iterator[tuple[str, str]]:
        for selector in selectors:
            if (fault := self._selector(selector)) is not None:
                yield key, f"'{key}' names an {fault}"

    def _selector(self, selector: str) -> str | None:
        if selector in _GROUPS or selector in self._providers:
            return None
        kind, colon, word = selector.partition(":")
        if colon and kind == "tier":
            return None if word in TIERS else unknown_word("tier", word, TIERS)
        if colon and kind == "region":
            try:
                exact = quantities.region(word) == word
            except ValueError:
                exact = False
            return None if exact else f"unknown region '{word[:80]}'"
        provider, slash, model = selector.partition("/")
        if slash and provider in self._providers:
            known = [each.id for each in self._providers[provider].models]
            if model in known:
                return None
            return f"unknown model '{model[:80]}' of '{provider}'{nearest(model, known)}"
        if selector.lower() in self._providers:
            return f"unknown provider '{selector[:80]}': did you mean '{selector.lower()}'?"
        return unknown_word("provider", selector, (*self._providers, *_GROUPS))

    def _model(self, name: str, *, loose: bool) -> str | None:
        """A denial matches in any case of letters, an allowance as it is written."""
        known = self._every_model()
        if "*" in name or name in known:
            return None
        if loose and name.casefold() in {each.casefold() for each in known}:
            return None
        hint = nearest(name, known)
        return f"unknown model '{name[:80]}'{hint or ': write a pattern for one to come'}"

    def _every_model(self) -> set[str]:
        if self._models is None:
            self._models = {
                name
                for provider in self._providers.values()
                for model in provider.models
                for own in (model.id, *model.aliases)
                for name in (own, f"{provider.id}/{own}", own.rpartition("/")[2])
            }
        return self._models
