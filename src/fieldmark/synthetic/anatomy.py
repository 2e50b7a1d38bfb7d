"""The outlines of a bird's parts.

Everything here is in the bird's own frame: the origin is the centre of the body, x points the way the bird
faces, y points down, and the unit is the body's length.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldmark.synthetic.species import Build

#: Points of an outline, (n, 2).
Outline = NDArray[np.float64]

_CIRCLE = np.stack([f(np.linspace(0, 2 * np.pi, 24, endpoint=False)) for f in (np.cos, np.sin)], axis=1)
_STEPS = 5


def smooth(points: list[tuple[float, float]] | Outline) -> Outline:
    """Round a closed outline with a Catmull-Rom spline through its points."""
    p = np.asarray(points, dtype=np.float64)
    before, after, later = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    t = (np.arange(_STEPS) / _STEPS)[None, :, None]
    a, b, c, d = (q[:, None] for q in (before, p, after, later))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - 3 * c + d - a) * t**3)
    return np.asarray(curve.reshape(-1, 2))


def disc(centre: tuple[float, float], radius: float) -> Outline:
    """Return the outline of a disc."""
    return np.asarray(_CIRCLE * radius + np.asarray(centre))


def capsule(a: tuple[float, float], ra: float, b: tuple[float, float], rb: float) -> Outline:
    """Return the convex hull of two discs."""
    distance = max(math.dist(a, b), 1e-6)
    heading = math.atan2(b[1] - a[1], b[0] - a[0])
    alpha = math.acos(max(-1.0, min(1.0, (ra - rb) / distance)))
    back = np.linspace(heading + alpha, heading + 2 * math.pi - alpha, 12)
    front = np.linspace(heading - alpha, heading + alpha, 12)
    rear = np.stack([np.cos(back), np.sin(back)], 1) * ra + np.asarray(a)
    fore = np.stack([np.cos(front), np.sin(front)], 1) * rb + np.asarray(b)
    return np.concatenate([rear, fore])


@dataclass(frozen=True, slots=True)
class Frame:
    """A part's own frame inside the bird's.

    Attributes:
        origin: where the part's origin lies.
        angle: by how much its x axis is turned, radians, clockwise on the screen.
        scale: the length of its unit along x and along y.
    """

    origin: tuple[float, float]
    angle: float
    scale: tuple[float, float]

    def place(self, points: list[tuple[float, float]] | Outline) -> Outline:
        """Take points (n, 2) from the part's frame to the bird's."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        turn = np.array([[c, s], [-s, c]])
        return np.asarray((np.asarray(points, dtype=np.float64) * self.scale) @ turn + np.asarray(self.origin))

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Take one point from the part's frame to the bird's."""
        placed = self.place([(x, y)])[0]
        return float(placed[0]), float(placed[1])

    def inverse(self, x: float, y: float) -> tuple[float, float]:
        """Take one point from the bird's frame to the part's."""
        dx, dy = x - self.origin[0], y - self.origin[1]
        c, s = math.cos(self.angle), math.sin(self.angle)
        return (c * dx + s * dy) / self.scale[0], (c * dy - s * dx) / self.scale[1]


@dataclass(frozen=True, slots=True)
class Pose:
    """How one individual holds itself, and by how much its build departs from its genus's.

    Attributes:
        head_turn: turn of the head, radians; negative looks up.
        head_shift: shift of the head along x and y, body lengths.
        tail_turn: turn of the tail, radians.
        wing_turn: turn of the wing, radians.
        posture: added to the genus's posture, radians.
        stride: distance of the feet from below the body, body lengths.
        fatness: factor on the body's depth.
    """

    head_turn: float
    head_shift: tuple[float, float]
    tail_turn: float
    wing_turn: float
    posture: float
    stride: float
    fatness: float

    @staticmethod
    def draw(rng: np.random.Generator) -> "Pose":
        """Draw a pose."""
        return Pose(
            head_turn=rng.uniform(-0.26, 0.26),
            head_shift=(rng.uniform(-0.05, 0.05), rng.uniform(-0.05, 0.04)),
            tail_turn=rng.uniform(-0.24, 0.24),
            wing_turn=rng.uniform(-0.10, 0.10),
            posture=rng.uniform(-0.14, 0.14),
            stride=rng.uniform(-0.06, 0.06),
            fatness=rng.uniform(0.92, 1.08),
        )


class Anatomy:
    """The frames and outlines of one individual's parts.

    Args:
        build: the proportions of its genus.
        pose: how it holds itself.
    """

    def __init__(self, build: Build, pose: Pose) -> None:
        self.build = build
        self.depth = build.depth * pose.fatness
        angle = -math.radians(build.posture) - pose.posture
        self.body = Frame((0.0, 0.0), angle, (0.5, self.depth / 2))
        x, y = self.body.point(0.80, -0.42)
        head = (x + 0.3 * build.neck + pose.head_shift[0], y - build.neck - 0.04 + pose.head_shift[1])
        self.head = Frame(head, pose.head_turn, (build.head, build.head))
        bill_base = self.head.point(0.86, 0.06)
        self.bill = Frame(bill_base, pose.head_turn + 0.06, (build.bill_length, build.bill_depth / 2))
        self.tail_base = self.body.point(-0.96, -0.12)
        tail_angle = angle + math.pi + pose.tail_turn
        self.tail = Frame(self.tail_base, tail_angle, (build.tail, 1.0))
        self.wing = Frame(self.body.point(0.34, -0.08), angle + pose.wing_turn, (0.5, self.depth / 2))
        self.stride = pose.stride
        # The head of an upright bird hides the front of the body, so its breast lies further down.
        throat = self.body.inverse(*self.head.point(0.45, 1.2))[0]
        shift = min(0.0, max(-0.6, throat - 0.72))
        self.chest = Frame(self.body.point(shift, 0.0), angle, self.body.scale)

    def silhouette(self) -> tuple[Outline, ...]:
        """Return the outlines whose union is the trunk: body, neck and rear."""
        radius = self.depth / 2
        chest, rear = self.body.point(0.42, -0.05), self.body.point(-0.30, -0.02)
        return (
            self.body.place(_CIRCLE),
            capsule(chest, 0.80 * radius, self.head.origin, 0.86 * self.build.head),
            capsule(rear, 0.74 * radius, self.tail_base, 0.26 * radius),
        )

    def belly(self) -> Outline:
        """Return the pale underside; it overlaps the silhouette's edge."""
        return self.body.place(
            smooth([(1.5, -0.2), (0.75, -0.12), (0.1, 0.30), (-0.7, 0.34), (-1.2, 0.3), (-0.6, 1.3), (0.7, 1.4)])
        )

    def breast(self) -> Outline:
        """Return the breast; it overlaps the silhouette's edge."""
        return self.chest.place(
            smooth([(1.25, -0.30), (0.70, -0.30), (0.22, 0.16), (-0.02, 0.56), (-0.06, 1.15), (0.75, 1.15)])
        )

    def rump(self) -> Outline:
        """Return the rump, between back and tail; it overlaps the silhouette's edge."""
        return self.body.place(
            smooth([(-0.34, -1.2), (-0.40, -0.42), (-0.58, 0.05), (-0.98, 0.34), (-1.2, -0.1), (-0.98, -0.8)])
        )

    def throat(self) -> Outline:
        """Return the throat, from the bill's base down the neck; it overlaps the silhouette's edge."""
        return self.head.place(
            smooth([(1.1, 0.22), (0.72, 0.30), (0.10, 0.42), (-0.12, 0.80), (0.14, 1.24), (0.72, 1.30), (1.2, 0.8)])
        )

    def crown(self) -> Outline:
        """Return the crown, with its crest where the genus has one."""
        arc = np.linspace(math.radians(-18), math.radians(-192), 14)
        top = np.stack([np.cos(arc), np.sin(arc)], 1) * 1.03
        lower = np.array([(-0.55, -0.10), (0.05, -0.44), (0.62, -0.40)])
        if self.build.crest:
            reach = 1 + self.build.crest / self.build.head
            top[8:11] = [(-0.42, -1.02), (-0.75 * reach, -0.72 * reach), (-0.98, -0.42)]
        return self.head.place(np.concatenate([top, lower]))

    def crown_stripe(self) -> Outline:
        """Return the stripe along the crown."""
        arc = np.linspace(math.radians(-38), math.radians(-178), 10)
        outer = np.stack([np.cos(arc), np.sin(arc)], 1)
        return self.head.place(np.concatenate([outer * 0.95, outer[::-1] * 0.58]))

    def eye(self, radius: float) -> Outline:
        """Return a disc about the eye; the radius is a fraction of the head's."""
        return disc(self.head.point(0.32, -0.06), radius * max(self.build.head, 0.24))

    def bill_outline(self) -> Outline:
        """Return the bill."""
        return self.bill.place(_BILLS[self.build.bill])

    def bill_tip(self, start: float) -> Outline:
        """Return the bill from a fraction of its length to its tip."""
        outline = np.array(_BILLS[self.build.bill])
        return self.bill.place(np.maximum(outline, (start, -np.inf)))

    def tail_outline(self, forked: bool) -> Outline:
        """Return the tail."""
        base, end = 0.13 * self.depth + 0.02, self.build.tail_width / 2
        notch = 0.45 if forked else 1.04
        spread = 1.35 * end if forked else end
        return self.tail.place([(-0.25, -base), (0.97, -spread), (notch, 0.0), (0.97, spread), (-0.25, base)])

    def tail_band(self, start: float, stop: float) -> Outline:
        """Return the piece of the tail between two fractions of its length."""
        base, end = 0.13 * self.depth + 0.02, self.build.tail_width / 2
        low, high = (base + (end - base) * (f + 0.25) / 1.22 for f in (start, min(stop, 0.97)))
        tip = [(1.04, 0.0)] if stop >= 1 else []
        edge = min(stop, 0.97)
        return self.tail.place([(start, -low), (edge, -high), *tip, (edge, high), (start, low)])

    def wing_outline(self) -> Outline:
        """Return the folded wing."""
        return self.wing.place(
            smooth([(0.06, -0.20), (-0.22, -0.52), (-0.80, -0.28), (-1.50, 0.22), (-0.92, 0.50), (-0.22, 0.42)])
        )

    def feathers(self) -> tuple[Outline, ...]:
        """Return the lines of the wing's long feathers."""
        lines = ([(-0.62, 0.36), (-1.30, 0.24)], [(-0.66, 0.18), (-1.36, 0.18)], [(-0.64, -0.02), (-1.22, 0.08)])
        return tuple(self.wing.place(line) for line in lines)

    def wing_bar(self, place: float) -> Outline:
        """Return one bar across the wing; ``place`` is how far behind the wing's bend it lies."""
        x, w = -place, 0.115
        return self.wing.place(
            [(x - w, -0.46), (x + w, -0.46), (x + 0.10 + w, 0.0), (x + w, 0.40), (x - w, 0.40), (x + 0.10 - w, 0.0)]
        )

    def leg(self, near: bool) -> tuple[Outline, Outline]:
        """Return the line of a leg (hip, ankle) and of its foot (heel, toe)."""
        x, y = self.body.point(0.02 if near else -0.26, 0.72)
        foot = (x + self.stride + (0.05 if near else -0.02), self.ground())
        return np.array([(x, y), foot]), np.array([(foot[0] - 0.07, foot[1]), (foot[0] + 0.15, foot[1] + 0.01)])

    def ground(self) -> float:
        """Return the height at which the bird stands."""
        lowest = max(self.body.point(x, 1.0)[1] for x in (-0.3, 0.0, 0.3))
        return lowest + self.build.legs

    def region(self, part: str) -> tuple[Outline, ...]:
        """Return outlines that cover a part of ``PARTS`` whatever its mark; they may reach beyond it."""
        if part == "legs":
            return tuple(
                capsule(tuple(line[0]), 0.05, tuple(line[1]), 0.05) for near in (True, False) for line in self.leg(near)
            )
        regions = {
            "bill": (self.bill_outline(),),
            "crown": (self.crown(),),
            "eye ring": (self.eye(0.5),),
            "throat": (self.throat(),),
            "breast": (self.breast(),),
            "wing bar": tuple(self.wing_bar(place) for place in ALL_BARS),
            "rump": (self.rump(),),
            "tail": (self.tail_outline(forked=False), self.tail_outline(forked=True)),
            "head": (disc(self.head.origin, self.build.head),),
            "wing": (self.wing_outline(),),
            "body": self.silhouette(),
        }
        return regions[part]

    def extent(self) -> Outline:
        """Return points whose box holds the bird, whatever its species' marks."""
        crest = self.head.point(-0.75 - self.build.crest, -1.0 - self.build.crest)
        ends = [self.bill.point(1.0, 0.0), self.tail.point(1.04, 0.0), (0.1, self.ground()), crest]
        return np.concatenate([self.body.place(_CIRCLE), disc(self.head.origin, self.build.head), np.array(ends)])


#: How far behind the wing's bend the bars of a wing with one and with two lie.
ONE_BAR, TWO_BARS = (0.42,), (0.30, 0.66)
ALL_BARS = ONE_BAR + TWO_BARS

#: The outlines of the bills: x from the base to the tip, y in half depths, down.
_BILLS: dict[str, list[tuple[float, float]]] = {
    "conical": [(-0.2, -1.0), (0.3, -0.85), (1.0, 0.15), (0.3, 0.9), (-0.2, 1.0)],
    "thin": [(-0.2, -1.0), (1.0, 0.05), (-0.2, 1.0)],
    "dagger": [(-0.15, -1.0), (0.5, -0.62), (1.0, 0.0), (0.5, 0.66), (-0.15, 1.0)],
    "hooked": [(-0.2, -1.0), (0.6, -1.0), (0.95, -0.4), (1.0, 1.25), (0.78, 0.5), (0.4, 0.75), (-0.2, 0.9)],
    "curved": [(-0.1, -1.0), (0.4, -0.9), (0.75, 0.2), (1.0, 2.6), (0.66, 1.3), (0.35, 0.5), (-0.1, 0.9)],
    "broad": [(-0.2, -1.2), (0.3, -0.5), (0.85, -0.15), (1.0, 0.25), (0.85, 0.75), (-0.2, 1.0)],
}
