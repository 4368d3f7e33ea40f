"""Where nodes and edges go in the diagram of a network. Lengths are inches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kanlens.network import Edge, Width
from kanlens.portraits import Points

PITCH, FRAME = 0.62, 0.46  # widest distance between frames' centres, largest side of a frame
NARROWEST, WIDEST = 2.6, 9.0  # of the diagram
COLUMNS = 48  # most frames in a row; more edges take several rows
UNEVEN = 2.2  # largest ratio of the frames' sizes in two layers
JOIN = 0.38  # from the factors of a product up to the product
RADIUS = 0.075  # of a node
GAP = 0.3  # between frames, in sides
PADDING = 0.1  # inside a frame, in sides


class Frame(NamedTuple):
    """Hold a frame's left, bottom and side, where its stack begins and ends, and the top of the highest stack."""

    x: float
    y: float
    side: float
    foot: float
    head: float
    top: float

    def inside(self, points: Points) -> Points:
        """Return points of the unit square moved into the frame."""
        return np.array([self.x, self.y]) + self.side * (PADDING + (1 - 2 * PADDING) * points)

    def outline(self) -> Points:
        """Return the corners."""
        return np.array([self.x, self.y]) + self.side * np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])


@dataclass(frozen=True)
class Layout:
    """Hold the places of everything, in inches, with the inputs at height 0.

    `nodes[l] (width, 2)`; `ends[l] (out, 2)`, where the edges of layer `l` lead to; the `frames` by edge.
    """

    width: float
    nodes: list[Points]
    ends: list[Points]
    frames: dict[Edge, Frame]
    radius: float

    @classmethod
    def of(cls, widths: Sequence[Width], edges: Sequence[Edge], room: Sequence[float]) -> "Layout":
        """Place the nodes and frames of a network with the given live edges.

        `room[l]` is the space that frames in layer `l` need beside them, as a share of a side.
        """
        layers = [[edge for edge in edges if edge.layer == number] for number in range(len(widths) - 1)]
        grids = [_Grid.of(layer, before.size) for layer, before in zip(layers, widths, strict=False)]
        most = max(width.subnodes for width in widths)
        wish = max(PITCH * grid.columns * (1 + 0.3 * extra) for grid, extra in zip(grids, room, strict=True))
        width = min(max(wish, PITCH * most, NARROWEST), WIDEST)
        fits = [width / grid.columns / (1 + GAP + extra) for grid, extra in zip(grids, room, strict=True)]
        sides = [min(side, UNEVEN * min(fits), FRAME) for side in fits]
        fan = min(0.3 + 0.1 * width, 1.0)
        height, frames = 0.0, {}
        nodes, ends = [_spread(widths[0], width, height)[0]], []
        for grid, side, extra, after in zip(grids, sides, room, widths[1:], strict=True):
            step = side * (1 + GAP + extra)
            bottom = height + 0.75 * fan
            top = bottom + (grid.rows - 1) * step + side
            for edge, (column, row, last) in grid.places.items():
                x, head = (column + 0.5) * width / grid.columns, bottom + last * step + side
                frames[edge] = Frame(x - side / 2, bottom + row * step, side, bottom, head, top)
            at_nodes, at_ends = _spread(after, width, top + fan)
            height = float(at_nodes[0, 1])
            nodes.append(at_nodes)
            ends.append(at_ends)
        return cls(width, nodes, ends, frames, min(RADIUS, 0.3 * width / most))

    @classmethod
    def folded(cls, widths: Sequence[Width], edges: Sequence[Edge], room: Sequence[float]) -> "Layout":
        """Place only what the given edges touch, and the outputs; other nodes have no place (NaN)."""
        kept = _touched(widths, edges)
        subs = [
            [sub for node in nodes for sub in width.groups()[node]] for width, nodes in zip(widths, kept, strict=True)
        ]
        small = [width.some(nodes) for width, nodes in zip(widths, kept, strict=True)]
        own = {e: Edge(e.layer, subs[e.layer + 1].index(e.out), kept[e.layer].index(e.in_)) for e in edges}
        layout = cls.of(small, list(own.values()), room)
        return cls(
            layout.width,
            [
                _scatter(places, nodes, width.size)
                for places, nodes, width in zip(layout.nodes, kept, widths, strict=True)
            ],
            [_scatter(*each) for each in zip(layout.ends, subs[1:], [w.subnodes for w in widths[1:]], strict=True)],
            {edge: layout.frames[other] for edge, other in own.items()},
            layout.radius,
        )

    def lines(self, edge: Edge) -> tuple[Points, Points]:
        """Return the lines that lead to an edge's frame, or to the stack it is in, and on from there."""
        frame = self.frames[edge]
        x = frame.x + frame.side / 2
        start, end = self.nodes[edge.layer][edge.in_], self.ends[edge.layer][edge.out]
        return np.array([start, (x, frame.foot)]), np.array([(x, frame.head), (x, frame.top), end])


@dataclass(frozen=True)
class _Grid:
    """Hold for each edge of a layer the column and row of its frame, and the last row of that column."""

    rows: int
    columns: int
    places: dict[Edge, tuple[int, int, int]]

    @classmethod
    def of(cls, edges: Sequence[Edge], inputs: int) -> "_Grid":
        """Put frames in a row in their order; too many of them in stacks, some for each input."""
        if len(edges) <= COLUMNS:
            return cls(1, max(1, len(edges)), {edge: (column, 0, 0) for column, edge in enumerate(edges)})
        fans = [[edge for edge in edges if edge.in_ == node] for node in range(inputs)]
        longest = max(map(len, fans))
        rows = math.ceil(longest / max(1, COLUMNS // inputs))
        stacks = math.ceil(longest / rows)
        places = {}
        for node, fan in enumerate(fans):
            for number, edge in enumerate(fan):
                stack, row = divmod(number, rows)
                places[edge] = node * stacks + stack, row, min(rows, len(fan) - stack * rows) - 1
        return cls(rows, inputs * stacks, places)


def _spread(width: Width, total: float, height: float) -> tuple[Points, Points]:
    """Return the places of nodes and of the sub-nodes, with factors below their product."""
    cell = total / width.subnodes
    level = height + (JOIN if width.products else 0.0)
    nodes, ends = np.empty((width.size, 2)), np.empty((width.subnodes, 2))
    for node, group in enumerate(width.groups()):
        middle = (group[0] + group[-1] + 1) / 2 * cell
        nodes[node] = middle, level
        for subnode in group:
            offset = (subnode - (group[0] + group[-1]) / 2) * min(cell, JOIN)
            ends[subnode] = middle + offset, height if len(group) > 1 else level
    return nodes, ends


def _touched(widths: Sequence[Width], edges: Sequence[Edge]) -> list[list[int]]:
    """Return the nodes of each layer at which an edge begins or ends, at least one, and all outputs."""
    owner = [[node for node, group in enumerate(width.groups()) for _ in group] for width in widths]
    found: list[set[int]] = [set() for _ in widths]
    for layer, out, in_ in edges:
        found[layer].add(in_)
        found[layer + 1].add(owner[layer + 1][out])
    found[-1] = set(range(widths[-1].size))
    return [sorted(nodes) or [0] for nodes in found]


def _scatter(places: Points, numbers: Sequence[int], count: int) -> Points:
    """Return places by number, NaN for those that are not shown."""
    result = np.full((count, 2), np.nan)
    result[list(numbers)] = places
    return result
