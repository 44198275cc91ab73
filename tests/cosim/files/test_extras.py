import pytest

from cosim.files.errors import UserError
from cosim.files.extras import MissingPackage, needed


def test_a_module_that_is_there():
    assert needed("json.decoder", "speech", "reading").JSONDecoder


def test_a_package_that_is_missing_is_named_with_its_extra():
    with pytest.raises(MissingPackage, match=r"counting needs the package no_such: pip install 'duramesh\[speech\]'"):
        needed("no_such.part", "speech", "counting")
    assert issubclass(MissingPackage, UserError)
