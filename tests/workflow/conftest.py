"""The deployed world in which most workflow tests run; a module with another one makes its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.worlds.workflow_world import World, world

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
def here(shared_world: World) -> World:
    shared_world.reset()
    return shared_world
