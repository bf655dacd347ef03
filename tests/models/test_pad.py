"""Token rows of unequal lengths become one tensor."""

from monogram.models.pad import pad_left, pad_right


def test_padding_goes_to_the_side_that_is_asked_for() -> None:
    ids, mask = pad_left([[5, 6, 7], [], [8]], 9)
    assert ids.tolist() == [[5, 6, 7], [9, 9, 9], [9, 9, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 1]]
    ids, mask = pad_right([[5, 6, 7], [], [8]], 9)
    assert ids.tolist() == [[5, 6, 7], [9, 9, 9], [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 0], [1, 0, 0]]
