"""Copies of modules: equal to what they were made from, and independent of it."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kanlens import KAN, KANLayer
from kanlens.functions import LIBRARY
from kanlens.network import Edge
from kanlens.symbolic import fix


def network() -> tuple[KAN, Tensor]:
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    model, _ = fix(KAN([2, 3, 1]), x, Edge(0, 1, 0), "sin")
    return model, x


def test_a_copy_does_the_same() -> None:
    model, x = network()
    assert torch.equal(copy.deepcopy(model)(x), model(x))


def test_a_copy_shares_nothing_that_can_be_written_to() -> None:
    model, x = network()
    before, twin = model(x), copy.deepcopy(model)
    with torch.no_grad():
        for tensor in [*twin.parameters(), *twin.buffers()]:
            tensor.fill_(0)
    twin.symbols[0].out[0] = 2
    twin.symbols[0].groups["sin"].append(1)
    twin.layers[0].register_forward_hook(lambda *_: None)
    assert torch.equal(model(x), before)
    assert model.symbols[0].out == [1]
    assert model.symbols[0].groups == {"sin": [0]}
    assert not model.layers[0]._forward_hooks


def test_a_copy_notices_what_is_written_to_its_mask_and_its_grid() -> None:
    x = torch.rand(20, 2)
    twin = copy.deepcopy(KANLayer(2, 1))
    twin.mask[0, 1] = 0
    assert torch.allclose(twin(x), twin.edges(x).sum(2), atol=1e-6)
    twin.mask[:] = 0
    assert not twin(x).any()
    twin.mask[:] = 1
    twin.grid[:, 4] += 0.1  # no longer uniform
    assert torch.allclose(twin(x), twin.edges(x).sum(2), atol=1e-6)


def test_a_copy_is_made_of_a_layer_whose_mask_was_written_to_and_not_looked_at() -> None:
    x, layer = torch.rand(20, 2), KANLayer(2, 1)
    layer(x)
    layer.mask[:] = 0
    assert not copy.deepcopy(layer)(x).any()


def test_a_copy_keeps_hooks_frozen_parameters_and_layout() -> None:
    layer = KANLayer(3, 2, residual="zero")
    layer.register_forward_hook(lambda _module, _inputs, y: y + 1)
    twin = copy.deepcopy(layer)
    assert torch.equal(twin(torch.zeros(1, 3)), layer(torch.zeros(1, 3)))
    assert not twin.weight.requires_grad
    assert twin.coef.requires_grad
    assert twin.coef.is_leaf
    assert twin.coef.stride() == layer.coef.stride()


@dataclass
class Notes:
    """Hold what can be changed."""

    lines: list[str]


def test_a_copy_keeps_references_to_itself_and_copies_dataclasses_that_can_change() -> None:
    model = KAN([2, 1])
    model.holder, model.notes = [model], Notes(["one"])
    twin = copy.deepcopy(model)
    twin.notes.lines.append("two")
    assert twin.holder[0] is twin
    assert model.notes.lines == ["one"]


def test_what_was_one_parameter_is_one_in_the_copy() -> None:
    first, second = KANLayer(2, 2), KANLayer(2, 2)
    second.coef = first.coef
    twins = copy.deepcopy(nn.ModuleList([first, second, first]))
    assert twins[0].coef is twins[1].coef
    assert twins[0] is twins[2]
    assert twins[0].coef is not first.coef


def test_a_copy_keeps_what_users_hang_on_a_network() -> None:
    model = KAN([2, 1])
    model.note = {"seen": [1, 2], "point": torch.ones(2, requires_grad=True)}
    model.note["point"].grad = torch.ones(2)
    twin = copy.deepcopy(model)
    twin.note["seen"].append(3)
    assert model.note["seen"] == [1, 2]
    assert torch.equal(twin.note["point"].grad, torch.ones(2))
    assert twin.note["point"].requires_grad
    assert LIBRARY["sin"] is fix(model, torch.rand(9, 2), Edge(0, 0, 0), "sin")[0].symbols[0].functions[0]
