"""Every contract leads either to findings with a place, or to code that works.

For many more examples: python -m pytest tests/codegen/test_random_contracts.py --hypothesis-profile=campaign
"""

import importlib
import math
import subprocess
import sys
from dataclasses import fields as fields_of
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen.contract.bind import Binder
from codegen.contract.load import parse
from codegen.contract.model import EnumType, ListType, MapType, Primitive, RecordType
from codegen.contract.resolve import resolve
from codegen.contract.spec import ContractSpec
from codegen.diagnostics.findings import Findings
from codegen.output.gate import Gate
from codegen.rules.table import check_contract
from codegen.targets.python import render
from tests.codegen.random_contracts import broken_contracts, contracts, to_yaml

IS_CAMPAIGN = settings.get_current_profile_name() == "campaign"


def at_most(number):
    """Return settings for `number` examples, or as many as the profile has in a campaign."""
    examples = settings().max_examples if IS_CAMPAIGN else number
    return settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=examples)


def compile_text(text):
    """Compile a contract as far as possible; return it with its findings."""
    findings = Findings()
    document = parse(text, "random.yaml", findings)
    spec = None
    if document is not None:
        binder = Binder(findings)
        spec = binder.bind(ContractSpec, document)
    if spec is None:
        assert findings.has_errors
        return None, findings
    contract = resolve(spec, binder.broken, findings)
    check_contract(contract, spec, findings)
    return contract, findings


def write_package(contract, folder, package):
    """Render a package, check it with the gate, and write it."""
    (folder / package).mkdir()
    gate = Gate(contract, package)
    for output in render(contract, package):
        gate.check(output)
        source = "\n\n".join(chunk.text for chunk in output.chunks)
        (folder / package / output.path).write_text(source + "\n", encoding="utf-8")


@given(broken_contracts())
@at_most(60)
def test_a_broken_contract_leads_to_located_findings_or_to_code_that_compiles(contract):
    text = to_yaml(contract)
    compiled, findings = compile_text(text)
    lines = text.split("\n")
    for finding in findings:
        assert 1 <= finding.span.line <= len(lines)
        assert 1 <= finding.span.column <= len(lines[finding.span.line - 1]) + 1
        assert finding.message.isprintable()
    if not findings.has_errors:
        gate = Gate(compiled, "drawn")
        for output in render(compiled, "drawn"):
            gate.check(output)
            compile(output.body, output.path, "exec")


class Drawn:
    """Generates packages, each under a new name, and imports them."""

    number = 0

    def __init__(self, folder):
        self.folder = folder

    def load(self, contract):
        Drawn.number += 1
        package = f"drawn_{Drawn.number}"
        write_package(contract, self.folder, package)
        importlib.invalidate_caches()
        return importlib.import_module(package)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield Drawn(folder)


class Channel:
    """A channel that keeps the last payload, and fails if one is rejected."""

    def __init__(self, context):
        self.listening = True
        self.context = context

    def send(self, payload):
        self.payload = payload

    def reject(self, event, error):
        raise error


@given(st.data())
@at_most(15)
def test_a_valid_contract_leads_to_code_that_emits_and_reads_back(drawn, data):
    compiled, findings = compile_text(to_yaml(data.draw(contracts())))
    assert not findings.has_errors, list(findings)
    package = drawn.load(compiled)
    channel = Channel(package.Context(env=3, host="h"))
    for event in compiled.events:
        drawn_values = {one.name: data.draw(value_of(one, package)) for one in event.fields}
        source = SimpleNamespace(has_extra=True)
        for guarded in event.guards.values():
            for one in guarded:
                setattr(source, one.capture.attribute, drawn_values[one.name])
        arguments = {one.name: drawn_values[one.name] for one in event.arguments}
        helper = getattr(package, f"emit_{event.name.lower()}")
        helper(channel, *([source] if event.source else []), **arguments)
        check_round_trip(package, event, channel.payload)


def check_round_trip(package, event, payload):
    """Check that the codec, the strict reader and the constructor agree on a payload."""
    strict = importlib.import_module(f"{package.__name__}.strict")
    written = package.encode_payload(payload)
    assert repr(package.decode_payload(event.name, written)) == repr(payload)
    assert repr(strict.read_payload(event.name, written)) == repr(payload)
    arguments = {one.name: getattr(payload, one.name) for one in fields_of(payload)}
    assert repr(type(payload)(**arguments)) == repr(payload)
    envelope = package.Envelope(seq=1, host="h", event=event.name, v=package.VERSION)
    line = package.encode_line(envelope, payload)
    assert repr(package.decode_line(line)) == repr((envelope, payload))


def value_of(value, package):
    """Draw a value that the contract allows."""
    drawn_value = part_of(value, value.type, package, value.length)
    return st.none() | drawn_value if value.nullable else drawn_value


def part_of(value, type_, package, length=None):
    low, high = (length.low or 0, length.high) if length else (0, None)
    match type_:
        case Primitive("int"):
            low, high = limits_of(value, -(2**63), 2**63 - 1)
            return st.integers(low, high)
        case Primitive("float"):
            low, high = limits_of(value, None, None)
            number = st.floats(low, high, allow_nan=False, allow_infinity=False).map(
                lambda x: x + 0.0
            )
            return number | st.just(math.inf) if value.nonfinite == "string" else number
        case Primitive("bool"):
            return st.booleans()
        case Primitive() if value.pattern:
            matching = st.from_regex(value.pattern, fullmatch=True)
            return matching.filter(lambda text: low <= len(text) <= (high or 10**9))
        case Primitive():
            return st.text(st.characters(exclude_categories=["Cs"]), min_size=low, max_size=high)
        case EnumType(enum):
            members = getattr(package, enum.name)
            known = st.sampled_from(list(members))
            unknown = st.just("UNKNOWN_NAME").map(
                lambda name: package.unknown_member(members, name)
            )
            return known | unknown if enum.open else known
        case RecordType(record):
            parts = {one.name: value_of(one, package) for one in record.fields}
            return st.builds(getattr(package, record.name), **parts)
        case ListType(item):
            parts = st.lists(
                part_of(value, item, package), min_size=low, max_size=min(high or 2, 2)
            )
            return parts.map(tuple)
        case MapType(item):
            parts = part_of(value, item, package)
            return st.dictionaries(
                st.text(max_size=2), parts, min_size=low, max_size=min(high or 2, 2)
            )


def limits_of(value, low, high):
    if value.range is None:
        return low, high
    found = value.range
    return (low if found.low is None else found.low), (high if found.high is None else found.high)


def test_code_of_random_contracts_is_typed_strictly(tmp_path):
    packages = []

    @given(contracts())
    @settings(at_most(60 if IS_CAMPAIGN else 3), database=None)
    def draw(contract):
        compiled, findings = compile_text(to_yaml(contract))
        assert not findings.has_errors, list(findings)
        packages.append(f"typed_{len(packages)}")
        write_package(compiled, tmp_path, packages[-1])

    draw()
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=cache"]
    named = [argument for package in packages for argument in ("-p", package)]
    ran = subprocess.run([*command, *named], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
