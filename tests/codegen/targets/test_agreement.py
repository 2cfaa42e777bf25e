"""Codec, JSON Schema, SQL views and Arrow schemas agree on every line that the strategies draw."""

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.strategies import data, lists

from tests.codegen.random_contracts import contracts, to_yaml
from tests.codegen.targets.agreement import check_columns, check_line, check_tables, open_views
from tests.codegen.targets.conftest import generate

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.fixture(scope="session")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("log") / "0.jsonl"


@pytest.fixture(scope="session")
def views(generated, log):
    with open_views(generated, log) as connection:
        yield connection


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(drawn=data())
def test_a_line_decodes_to_itself_and_validates(generated, drawn):
    check_line(generated, drawn.draw(generated.strategies.LINES))


# Shrinking lists of lines that are read from disk takes minutes, so a failure shows its lines unshrunk.
@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=SLOW,
)
@given(drawn=data())
def test_lines_fit_the_views_and_the_arrow_schemas(generated, views, log, drawn):
    lines = drawn.draw(lists(generated.strategies.LINES, min_size=1, max_size=20))
    check_tables(generated, views, log, lines)


def test_views_and_arrow_schemas_have_the_same_columns(generated, views):
    check_columns(generated, views)


# Raise the number for a campaign; 300 contracts take some minutes.
@settings(
    max_examples=4,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=SLOW,
)
@given(drawn=data())
def test_the_targets_of_any_contract_agree(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("random")
    (folder / "random.yaml").write_text(to_yaml(drawn.draw(contracts())), encoding="utf-8")
    with generate(folder / "random.yaml", folder, folder.name) as generated:
        # SQL has no struct without fields, so the column is JSON.
        assume(all(record.fields for record in generated.contract.records))
        lines = [drawn.draw(generated.strategies.LINES) for _ in range(5)]
        with open_views(generated, folder / "0.jsonl") as views:
            check_columns(generated, views)
            check_tables(generated, views, folder / "0.jsonl", lines)
        for line in lines:
            check_line(generated, line)
