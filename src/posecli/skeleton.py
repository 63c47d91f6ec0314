"""The body as PoseNet knows it: 17 parts in COCO order and the tree that connects them. Data only, 0-based."""

PARTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
NUM_PARTS = len(PARTS)
PART_INDEX = {name: index for index, name in enumerate(PARTS)}


def _pairs(*names: tuple[str, str]) -> tuple[tuple[int, int], ...]:
    return tuple((PART_INDEX[a], PART_INDEX[b]) for a, b in names)


# Directed parent -> child; the index of an edge is its channel in the displacement heads.
TREE_EDGES = _pairs(
    ("nose", "left_eye"),
    ("left_eye", "left_ear"),
    ("nose", "right_eye"),
    ("right_eye", "right_ear"),
    ("nose", "left_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("left_shoulder", "left_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("nose", "right_shoulder"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("right_shoulder", "right_hip"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
)
NUM_EDGES = len(TREE_EDGES)

# What a drawing shows: limbs, the sides of the torso, shoulders and hips. The face has no lines.
DRAWN_EDGES = _pairs(
    ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_hip", "right_hip"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
)

LEFT_RIGHT_PAIRS = tuple(
    (index, PART_INDEX[name.replace("left_", "right_")]) for name, index in PART_INDEX.items() if name[:5] == "left_"
)

# What each part and each tree edge becomes in the mirrored image: left and right change places.
_PARTNER = {a: b for pair in LEFT_RIGHT_PAIRS for a, b in (pair, pair[::-1])}
PART_MIRROR = tuple(_PARTNER.get(part, part) for part in range(NUM_PARTS))
EDGE_MIRROR = tuple(TREE_EDGES.index((PART_MIRROR[parent], PART_MIRROR[child])) for parent, child in TREE_EDGES)

# Per-part standard deviations of COCO's object keypoint similarity (cocodataset.org, keypoint evaluation).
COCO_SIGMAS = (
    0.026,
    0.025,
    0.025,
    0.035,
    0.035,
    0.079,
    0.079,
    0.072,
    0.072,
    0.062,
    0.062,
    0.107,
    0.107,
    0.087,
    0.087,
    0.089,
    0.089,
)
