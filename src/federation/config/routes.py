"""Turns routes as written in YAML into routes whose targets are deployments that exist."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from federation.config.document import Document, Path_
from federation.config.nearest import listed, unknown_word
from federation.config.sections import FederationFile, RouteRow, WeightsSection
from federation.domain.catalogue import Provider
from federation.domain.routes import AUTO, Deadlines, Route, Target, Weights
from federation.errors import Problem


def weights(written: WeightsSection) -> Weights:
    """The domain's weights."""
    return Weights(**written.model_dump())


def resolve_routes(
    whole: FederationFile,
    where: Document,
    providers: Mapping[str, Provider],
    problems: list[Problem],
    *,
    whole_list: bool = True,
) -> dict[str, Route]:
    """Routes by name; unknown targets and repeated names are added to `problems`.

    Where `providers` lacks rows that could not be read (`whole_list` is false), a target that is
    not among them is none of the operator's mistakes, and nothing is said of it.
    """
    deployments = _Deployments(providers)
    routes: dict[str, Route] = {}
    for at, row in enumerate(whole.routes):
        if row.name in routes:
            message = f"the route '{row.name}' was already given"
            problems.append(where.problem(("routes", at, "name"), message))
            continue
        targets: list[Target] = []
        for index, target in enumerate(row.targets):
            path: Path_ = ("routes", at, "targets", index)
            found = deployments.find(target.deployment)
            if found is None:
                if whole_list:
                    message = deployments.unknown(row.name, target.deployment)
                    problems.append(where.problem(path, message))
            elif any(found == known.deployment for known in targets):
                message = f"the route '{row.name}' names '{found}' twice"
                problems.append(where.problem(path, message))
            else:
                targets.append(Target(found, target.weight))
        routes[row.name] = _route(row, tuple(targets), whole)
    return routes


def unknown_default(
    whole: FederationFile,
    where: Document,
    providers: Mapping[str, Provider],
    routes: Mapping[str, Route],
) -> tuple[Problem, ...]:
    """A warning where calls that name no model are given one that nothing is known of. It may
    still come: with a host that is registered while the gateway runs."""
    name = whole.defaults.model
    if not name or name == AUTO or name in routes:
        return ()
    models = [model for row in providers.values() for model in row.models]
    if any(name == model.id or name in model.aliases for model in models):
        return ()
    if _Deployments(providers).find(name) is not None:
        return ()
    words = [*routes, *(model.id for model in models), AUTO]
    message = f"calls that name no model are refused: {unknown_word('model', name, words)}"
    return (where.problem(("defaults", "model"), message),)


def _route(row: RouteRow, targets: tuple[Target, ...], whole: FederationFile) -> Route:
    deadlines = own = None
    if row.timeouts is not None:
        deadlines = Deadlines(**row.timeouts.model_dump())
    if row.weights is not None:
        own = weights(row.weights)
    return Route(
        row.name,
        row.strategy or whole.strategy,
        targets,
        own,
        deadlines,
        row.mend,
        row.hedge,
        row.cheaper,
    )


class _Deployments:
    """Names of deployments, `provider/model`; a model's aliases lead to its id."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = providers
        self._models: dict[str, dict[str, str]] = {}

    def find(self, name: str) -> str | None:
        provider, slash, model = name.partition("/")
        if not slash or provider not in self._providers:
            return None
        found = self._names(provider).get(model)
        return None if found is None else f"{provider}/{found}"

    def _names(self, provider: str) -> dict[str, str]:
        if provider not in self._models:
            models = self._providers[provider].models
            names = {alias: model.id for model in models for alias in model.aliases}
            self._models[provider] = names | {model.id: model.id for model in models}
        return self._models[provider]

    def unknown(self, route: str, name: str) -> str:
        """What is wrong with a name that leads nowhere, with the nearest that does."""
        provider, _, model = name.partition("/")
        start = f"the route '{route}' names the unknown deployment '{name[:120]}'"
        if provider in self._providers:
            names = self._names(provider)
            inside = difflib.get_close_matches(model, list(names), 1, 0.4)
            if inside:
                return f"{start}: did you mean '{provider}/{inside[0]}'?"
            if not names:
                return f"{start}: '{provider}' lists no models, add them under 'models'"
            return f"{start}: '{provider}' lists {listed(names)}"
        every = [
            f"{row.id}/{word}" for row in self._providers.values() for word in self._names(row.id)
        ]
        near = difflib.get_close_matches(name, every, 1, 0.5)
        return f"{start}: did you mean '{near[0]}'?" if near else f"{start}: write provider/model"
