"""P5, P7: every field of the API says what it means, with an example that holds."""

import json
from typing import Any

import pytest
from apiflask import APIFlask

from app.api.edge import Contract
from app.api.fields import load
from app.api.openapi import document
from app.api.reading.reference import example


@pytest.fixture
def described(app: APIFlask) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(document(app))
    return made


def test_every_field_and_parameter_has_words(described: dict[str, Any]) -> None:
    """A new field gets its row in app/api/words.py."""
    silent = [
        f"{schema}.{name}"
        for schema, shape in described["components"]["schemas"].items()
        for name, field in shape.get("properties", {}).items()
        if " / " not in field.get("description", "")
    ]
    silent += [
        f"{operation['operationId']}.{parameter['name']}"
        for operations in described["paths"].values()
        for operation in operations.values()
        for parameter in operation["parameters"]
        if " / " not in parameter.get("description", "")
    ]

    assert silent == []


def test_every_example_of_a_request_is_taken_as_it_stands(
    app: APIFlask, described: dict[str, Any]
) -> None:
    schemas = described["components"]["schemas"]
    tried = 0
    for view in app.view_functions.values():
        contract = getattr(view, "contract", None)
        if isinstance(contract, Contract) and contract.takes is not None:
            name = contract.takes.__name__.removesuffix("Schema")
            load(contract.takes, example(schemas, schemas.get(name, {"properties": {}})))
            tried += 1

    assert tried > 20


def test_every_example_of_an_answer_has_all_its_fields(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]

    lacking = [
        f"{name}.{field}"
        for name, shape in schemas.items()
        for field, value in example(schemas, shape).items()
        if value is None and "null" not in str(shape["properties"][field])
    ]

    assert lacking == []
