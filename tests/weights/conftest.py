"""TF.js models of either network, for tests to spoil, write and convert."""

from collections.abc import Callable
from pathlib import Path

import pytest

from posecli.networks.spec import ModelSpec
from posecli.weights.graph import Graph
from posecli.weights.tfjs import read_model
from tfjs_models import StateDict, TfjsModel, build_model, build_resnet, random_weights, write_first_release


@pytest.fixture(scope="session")
def half() -> StateDict:
    """Random weights of mobilenet-050."""
    return random_weights(ModelSpec("mobilenet_v1", 0.5))


@pytest.fixture(scope="session")
def resnet() -> StateDict:
    """Random weights of resnet50."""
    return random_weights(ModelSpec("resnet50", None))


@pytest.fixture(scope="session")
def resnet_graphs(resnet: StateDict, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Graph]:
    """Graph models of resnet50, read from files, by stride."""
    folders = {stride: tmp_path_factory.mktemp(f"resnet50-stride{stride}") for stride in (16, 32)}
    return {
        stride: read_model(build_resnet(resnet, stride).write(folder, shard_bytes=1 << 22))
        for stride, folder in folders.items()
    }


@pytest.fixture
def build() -> Callable[..., TfjsModel]:
    """Build the graph model of a state dict."""
    return build_model


@pytest.fixture
def build_resnet50() -> Callable[..., TfjsModel]:
    """Build the graph model of a state dict of resnet50."""
    return build_resnet


@pytest.fixture
def first_release() -> Callable[[StateDict, Path], Path]:
    """Write the first-release files of a state dict."""
    return write_first_release


@pytest.fixture
def model(half: StateDict) -> TfjsModel:
    """A graph model of mobilenet-050, stride 16."""
    return build_model(half)
