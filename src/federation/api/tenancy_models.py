"""Tenants, teams and users as the management API says and hears them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field

from federation.api.models import ErrorDetail, NewKeyView, Strict
from federation.control.permissions import Permission
from federation.domain.access import Role
from federation.domain.tenancy import NAME_LIMIT, Team, Tier, User

Edited = TypeVar("Edited", Team, User)

Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
Id = Annotated[str, Field(min_length=1, max_length=128)]
Email = Annotated[str, Field(max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")]
Count = Annotated[int, Field(ge=0, lt=1 << 53)]


class QuotaView(Strict):
    """How much a tenant may use; null is without a limit."""

    requests_month: Count | None = None
    providers: Count | None = None


class TenantView(BaseModel):
    """A tenant."""

    object: Literal["tenant"] = "tenant"
    id: str
    name: str
    tier: Tier
    quota: QuotaView
    suspended: bool = Field(description="None of its keys is in force.")
    created_ms: int


class TenantList(BaseModel):
    """Tenants by id. `next` continues the list as `cursor`."""

    object: Literal["list"] = "list"
    data: list[TenantView]
    next: str | None


class TenantBody(Strict):
    """A tenant to be made."""

    id: Id
    name: str = Field(default="", max_length=NAME_LIMIT, description="Left out, its id.")
    tier: Tier = Tier.COMMUNITY
    quota: QuotaView | None = Field(default=None, description="For the tier `custom`.")


class TenantEdit(Strict):
    """What to change of a tenant; what is left out stays."""

    name: Name = "-"
    tier: Tier = Tier.COMMUNITY
    quota: QuotaView | None = None
    suspended: bool = False


class TeamView(BaseModel):
    """A team."""

    object: Literal["team"] = "team"
    id: str
    tenant: str
    name: str
    created_ms: int


class TeamList(BaseModel):
    """Teams by tenant and id. `next` continues the list as `cursor`."""

    object: Literal["list"] = "list"
    data: list[TeamView]
    next: str | None


class TeamBody(Strict):
    """A team to be made."""

    id: Id
    name: str = Field(default="", max_length=NAME_LIMIT, description="Left out, its id.")
    tenant: Id | None = Field(default=None, description="Your own, where left out.")


class TeamEdit(Strict):
    """What to change of a team."""

    name: Name = "-"


class UserView(BaseModel):
    """A person."""

    object: Literal["user"] = "user"
    id: str
    tenant: str
    name: str
    role: Role = Field(description="The most that a key of theirs can do.")
    team: str
    email: str
    suspended: bool = Field(description="None of their keys is in force.")
    created_ms: int


class UserList(BaseModel):
    """Users by tenant and id. `next` continues the list as `cursor`."""

    object: Literal["list"] = "list"
    data: list[UserView]
    next: str | None


class UserBody(Strict):
    """A user to be made."""

    id: Id
    name: str = Field(default="", max_length=NAME_LIMIT, description="Left out, its id.")
    tenant: Id | None = Field(default=None, description="Your own, where left out.")
    role: Role = Role.DEVELOPER
    team: str = Field(default="", max_length=128)
    email: Email = ""


class UserEdit(Strict):
    """What to change of a user; what is left out stays."""

    name: Name = "-"
    role: Role = Role.DEVELOPER
    team: str = Field(default="", max_length=128)
    email: Email = ""
    suspended: bool = False


class TeamEntry(Strict):
    """A team in a file."""

    id: Id
    name: Name


class UserEntry(Strict):
    """A user in a file."""

    id: Id
    name: Name
    role: Role = Role.DEVELOPER
    team: str = Field(default="", max_length=128)
    email: Email = ""
    suspended: bool = False


class KeyEntry(Strict):
    """A key in a file, without its secret."""

    id: str = Field(pattern=r"^key_[0-9a-f]{16}$")
    name: Name
    role: Role = Role.DEVELOPER
    expires_ms: int | None = Field(default=None, ge=0, lt=1 << 53)
    models: list[str] = Field(default=[], max_length=1000)
    providers: list[str] = Field(default=[], max_length=1000)
    team: str = Field(default="", max_length=128)
    user: str = Field(default="", max_length=128)
    scopes: list[Permission] = Field(default=[], max_length=len(Permission))


class TenantEntry(Strict):
    """A tenant in a file, with all that belongs to it."""

    id: Id
    name: Name
    tier: Tier = Tier.COMMUNITY
    quota: QuotaView | None = Field(default=None, description="For the tier `custom`.")
    suspended: bool = False
    teams: list[TeamEntry] = Field(default=[], max_length=100_000)
    users: list[UserEntry] = Field(default=[], max_length=100_000)
    keys: list[KeyEntry] = Field(default=[], max_length=100_000)


class TenancyFile(Strict):
    """All tenancy objects, without secrets."""

    federation_tenancy: Literal[1] = Field(default=1, description="The version of this form.")
    tenants: list[TenantEntry] = Field(max_length=100_000)


class ImportView(BaseModel):
    """What an import did."""

    object: Literal["import"] = "import"
    made: int
    changed: int
    unchanged: int
    ended: list[str] = Field(description="Keys left out: expired, or revoked here.")
    keys: list[NewKeyView] = Field(description="Keys that were made, with their new secrets.")
    problem: ErrorDetail | None = Field(
        default=None, description="Why it ended there; what stands above was done all the same."
    )


def edited(before: Edited, body: TeamEdit | UserEdit) -> Edited:
    """The same with what the body names changed, and nothing else."""
    return replace(before, **{name: getattr(body, name) for name in body.model_fields_set})
