"""Adam without torch's optimiser object."""

import subprocess
import sys

import pytest
import torch

from sklearn_claster._core.adam import Adam
from sklearn_claster._core.training import _descend_squares


def networks(device):
    """Two equal networks, and a free parameter of each."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for _ in range(2):
        network = torch.nn.Sequential(torch.nn.Linear(7, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
        made.append((network.to(device), torch.nn.Parameter(torch.full((3,), 0.5, device=device))))
    with torch.no_grad():
        for one, other in zip(made[0][0].parameters(), made[1][0].parameters(), strict=True):
            one.copy_(torch.randn(one.shape, generator=generator))
            other.copy_(one)
    return made


def test_torchs_compiler_is_not_loaded():
    """An optimiser object would: it takes longer than a small fit, in every process."""
    code = (
        "import sys, torch\n"
        "from sklearn_claster._core.adam import Adam\n"
        "layer = torch.nn.Linear(2, 2)\n"
        "Adam(layer, 0.1, 0.0).descend(layer(torch.ones(1, 2)).sum())\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.9)])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_it_is_torchs_own_bit_for_bit(weight_decay, betas, device):
    (ours, our_free), (theirs, their_free) = networks(device)
    adam = Adam(ours, 0.02, weight_decay, [our_free], betas)
    groups = [
        {"params": list(theirs.parameters()), "weight_decay": weight_decay},
        {"params": [their_free], "weight_decay": 0.0},
    ]
    reference = torch.optim.Adam(groups, lr=0.02, betas=betas, fused=True)
    generator = torch.Generator().manual_seed(1)
    for _ in range(30):
        x = torch.randn(4, 7, generator=generator).to(device)
        adam.descend(((ours(x) + our_free) ** 2).sum())
        reference.zero_grad()
        ((theirs(x) + their_free) ** 2).sum().backward()
        reference.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(our_free, their_free)
    assert not torch.equal(our_free.cpu(), torch.full((3,), 0.5))


@pytest.mark.parametrize("weight", [0.25, torch.tensor([[0.5], [0.3], [0.2]])])
def test_the_gradient_of_weighted_squares_is_that_of_autograd(weight):
    network, x, target = torch.nn.Linear(4, 2), torch.randn(3, 4), torch.randn(3, 2)
    (weight * (network(x) - target) ** 2).sum().backward()
    expected = [parameter.grad.clone() for parameter in network.parameters()]
    _descend_squares(Adam(network, 1e-3, 0.0), network(x), target, weight)
    torch.testing.assert_close([p.grad for p in network.parameters()], expected)
