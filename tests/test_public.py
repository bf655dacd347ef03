"""The public names: sorted, all there, and quick to import."""

import subprocess
import sys

import pytest

import monogram


def test_the_list_is_sorted_and_shown() -> None:
    assert monogram.__all__ == sorted(monogram.__all__)
    assert set(monogram.__all__) <= set(dir(monogram))


@pytest.mark.parametrize("name", monogram.__all__)
def test_every_name_leads_somewhere(name: str) -> None:
    assert getattr(monogram, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = monogram.nothing


def test_importing_plain_data_does_not_import_torch() -> None:
    code = "import sys, monogram; monogram.Preference; monogram.MonogramError; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
