"""Declared resources: the stored form and the one on the wire are one."""

from bitting.api.etags import etag
from bitting.core.authority import parse_declared
from bitting.resources.service import declaration_view, versioned

DECLARED = {"links": {"read": {"readOnly": True}, "write": {}}}


def test_a_declaration_comes_back_as_it_was_given() -> None:
    """What is false is left out, as in the declaration."""
    assert declaration_view(parse_declared(DECLARED)) == DECLARED
    assert declaration_view(parse_declared({"links": {"read": {"readOnly": False}}})) == {"links": {"read": {}}}


def test_every_resource_counts_in_the_etag() -> None:
    """Even one that is named like a field which ETags leave out."""
    assert etag(versioned({"lastUsedAt": {"read": {}}})) != etag(versioned({}))
