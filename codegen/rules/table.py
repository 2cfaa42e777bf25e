"""The table of rules: every check of a contract, with its id."""

from ..contract.model import Contract
from ..contract.spec import ContractSpec
from ..diagnostics.findings import Findings
from . import (
    captures,
    defaults,
    enums,
    names,
    patterns,
    plots,
    promises,
    retired,
    stamps,
    upcasts,
    usage,
    values,
)
from .rule import Rule

RULES: tuple[Rule, ...] = (
    Rule("NAM001", names.check_words),
    Rule("NAM002", names.check_classes),
    Rule("NAM003", names.check_families),
    Rule("NAM004", names.check_repeated_fields),
    Rule("NAM005", names.check_similar),
    Rule("NAM006", names.check_wire_names),
    Rule("MEM001", enums.check_members),
    Rule("MEM002", enums.check_numbers),
    Rule("VAL001", values.check_constraints),
    Rule("VAL002", values.check_bounds),
    Rule("VAL003", patterns.check_patterns),
    Rule("VAL004", values.check_nonfinite),
    Rule("VAL005", defaults.check_defaults),
    Rule("VAL006", values.check_units),
    Rule("VAL007", values.check_depth),
    Rule("VAL008", plots.check_sensitive),
    Rule("VAL009", plots.check_plots),
    Rule("VAL010", plots.check_axes),
    Rule("CAP001", captures.check_origin),
    Rule("CAP002", captures.check_source),
    Rule("CAP003", captures.check_groups),
    Rule("CAP004", captures.check_attributes),
    Rule("CAP005", captures.check_context),
    Rule("STA001", stamps.check_stamps),
    Rule("RET001", retired.check_reserved),
    Rule("RET002", retired.check_versions),
    Rule("RET003", retired.check_renames),
    Rule("UPC001", promises.check_steps),
    Rule("UPC002", promises.check_paths),
    Rule("UPC003", promises.check_upcasts),
    Rule("UPC004", upcasts.check_targets),
    Rule("UPC005", upcasts.check_values),
    Rule("REV001", promises.check_revisions),
    Rule("EXM001", promises.check_exemptions),
    Rule("USE001", usage.check_unused, level="warning"),
)


def check_contract(contract: Contract, spec: ContractSpec, findings: Findings) -> None:
    """Check a contract with every rule, and add a finding for each breach."""
    for rule in RULES:
        for breach in rule.check(contract, spec):
            findings.add(breach.span, rule.id, breach.message, breach.hint, rule.level)
