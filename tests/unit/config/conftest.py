from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from config_world import Load, a_catalogue

from federation.config.load import load
from federation.config.settings import Loaded
from federation.errors import ConfigError


@pytest.fixture
def config_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "config"
    directory.mkdir()
    return directory


@pytest.fixture
def write(config_dir: Path) -> Callable[[str, str], Path]:
    def writing(name: str, text: str) -> Path:
        path = config_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return writing


@pytest.fixture
def loading(config_dir: Path) -> Load:
    def reading(environ: dict[str, str] | None = None, env_file: Path | None = None) -> Loaded:
        return load(config_dir, environ or {}, a_catalogue(), env_file)

    return reading


@pytest.fixture
def refused(loading: Load, config_dir: Path) -> Callable[..., list[str]]:
    """The problems of a configuration that must not load, file names without directory."""

    def reading(environ: dict[str, str] | None = None, env_file: Path | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loading(environ, env_file)
        root = f"{config_dir}/"
        return [str(problem).replace(root, "") for problem in caught.value.problems]

    return reading
