from posecli import skeleton


def test_the_tree_reaches_every_part_once_from_the_nose() -> None:
    placed = {skeleton.PART_INDEX["nose"]}
    for parent, child in skeleton.TREE_EDGES:
        assert parent in placed
        assert child not in placed
        placed.add(child)
    assert placed == set(range(skeleton.NUM_PARTS))


def test_mirroring_the_parts_maps_the_skeleton_onto_itself() -> None:
    swap = dict(skeleton.LEFT_RIGHT_PAIRS) | {b: a for a, b in skeleton.LEFT_RIGHT_PAIRS}
    assert len(skeleton.LEFT_RIGHT_PAIRS) == 8
    for edges in (skeleton.TREE_EDGES, skeleton.DRAWN_EDGES):
        undirected = {frozenset(edge) for edge in edges}
        assert {frozenset(swap.get(part, part) for part in edge) for edge in undirected} == undirected
    assert all(skeleton.COCO_SIGMAS[a] == skeleton.COCO_SIGMAS[b] for a, b in skeleton.LEFT_RIGHT_PAIRS)


def test_twelve_edges_are_drawn_and_none_in_the_face() -> None:
    assert len(skeleton.DRAWN_EDGES) == 12
    assert min(part for edge in skeleton.DRAWN_EDGES for part in edge) == skeleton.PART_INDEX["left_shoulder"]


def test_mirroring_exchanges_left_and_right_by_name() -> None:
    def mirrored(name: str) -> str:
        return name.replace("left_", "RIGHT_").replace("right_", "left_").lower()

    assert [skeleton.PARTS[part] for part in skeleton.PART_MIRROR] == [mirrored(name) for name in skeleton.PARTS]
    named = [(skeleton.PARTS[a], skeleton.PARTS[b]) for a, b in skeleton.TREE_EDGES]
    assert [named[edge] for edge in skeleton.EDGE_MIRROR] == [(mirrored(a), mirrored(b)) for a, b in named]
