"""The modern style: limbs in a dark casing, joints with a rim, both fading with their confidence."""

from __future__ import annotations

import numpy as np

from posecli.draw.people import EDGES, FACE, JOINT_RADIUS, Image, People, cut
from posecli.draw.strokes import paint
from posecli.skeleton import NUM_PARTS

FACE_RADIUS = 0.7  # line widths
LEAST_OUTLINE = 0.8  # px
LEAST_RIMMED = 2.9  # px, the radius of the smallest joint with a light rim

# What a person is drawn with, in this order: a line for each edge, then a disc for each part, (29, 2) parts.
MARKS = np.concatenate([EDGES, np.repeat(np.arange(NUM_PARTS)[:, None], 2, axis=1)])
STARTS, ENDS = MARKS.T  # (29,) each
IS_JOINT = STARTS == ENDS
# (29,) each. Radii in line widths, and what comes on top in px: thin lines need visible ends. Outlines in radii.
RADII = np.where(IS_JOINT, np.where(np.isin(STARTS, FACE), FACE_RADIUS, JOINT_RADIUS), 0.5)
MORE_RADIUS = np.where(IS_JOINT, 1.0, 0.6)
OUTLINES = np.where(IS_JOINT, 0.33, 0.56)


def draw_modern(canvas: Image, people: People) -> None:
    """Draw everybody, the best-scoring on top.

    Limbs have a dark casing, which sets them off from any photo. Joints have a light rim, or a dark one where they are
    too small for two colours to be told apart.
    """
    owners, marks = np.nonzero(people.shown[:, STARTS] & people.shown[:, ENDS])  # (M,) each, person by person
    kept, segments = cut(people.xy[owners[:, None], MARKS[marks]], canvas)
    owners, marks = owners[kept], marks[kept]
    sizes = RADII[marks] * people.line_widths[owners]
    radii = MORE_RADIUS[marks] + sizes
    colours = np.array(people.colours, np.float32).reshape(-1, 4)[owners, :3]
    outline_colours = 0.2 * colours
    outline_colours[IS_JOINT[marks] & (radii >= LEAST_RIMMED)] = 255
    opacities = np.minimum(people.opacities[owners, STARTS[marks]], people.opacities[owners, ENDS[marks]])
    outlines = np.maximum(LEAST_OUTLINE, OUTLINES[marks] * sizes)
    paint(canvas, np.ascontiguousarray(segments), radii, outlines, colours, outline_colours, opacities)
