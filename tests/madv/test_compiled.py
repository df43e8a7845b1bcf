"""torch.compile as a setting, with a compiler, without one, and with one that fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from madv.compiled import compiled

# torch's own modules use what torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    torch.compiler.reset()
    return nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2))


def test_compiled_computes_the_same(network: nn.Module) -> None:
    said: list[str] = []
    x = torch.randn(3, 4)
    call = compiled(network, said.append, backend="aot_eager")
    y = call(x)
    assert torch.equal(y, network(x))
    y.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert not said


@pytest.mark.parametrize("compiler", ["/nowhere/g++", "/bin/false"])
def test_without_a_working_compiler_it_goes_on_and_says_so_once(
    network: nn.Module, compiler: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch._inductor.config as inductor

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # nothing compiled before may help
    said: list[str] = []
    call = compiled(network, said.append)
    with inductor.patch({"cpp.cxx": (compiler,)}):
        for size in (3, 5):
            x = torch.randn(size, 4)
            y = call(x)
            assert torch.equal(y, network(x))
            y.sum().backward()
    assert len(said) == 1
    assert said[0].startswith("train.compile: going on without the compiler: ")
    assert "\n" not in said[0]


def test_a_failing_backend_is_survived(network: nn.Module) -> None:
    def backend(graph: object, inputs: object) -> None:
        raise RuntimeError("no kernels for this machine\nadvice")

    said: list[str] = []
    x = torch.randn(3, 4)
    call = compiled(network, said.append, backend=backend)  # type: ignore[arg-type]
    assert torch.equal(call(x), network(x))
    assert said == ["train.compile: going on without the compiler: no kernels for this machine"]


def test_the_networks_own_error_is_no_failure_of_the_compiler(network: nn.Module) -> None:
    said: list[str] = []
    call = compiled(network, said.append, backend="eager")
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        call(torch.randn(3, 5))
    assert not said
