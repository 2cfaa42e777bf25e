"""The growth policies by name: those that Esper ships, those of files and scripts, and those of installed packages."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, MappingProxyType
from typing import Any, Final

from esper.leyline.discovery import Discovery, is_place
from esper.leyline.errors import UsageError
from esper.leyline.policy import GrowthPolicy, check_policy
from esper.leyline.text import did_you_mean
from esper.tamiyo.controls import DeadSeedPolicy, RandomTimingPolicy
from esper.tamiyo.evidence import EvidenceConfig, EvidencePolicy
from esper.tamiyo.heuristic import HeuristicConfig, HeuristicPolicy
from esper.tamiyo.scripted import ScriptedPolicy

DEFAULT: Final = "evidence"
"""The policy of `esper train`."""

NO_POLICY: Final = "none"
"""The name for a run without growth."""

SHIPPED: Final[Mapping[str, type]] = MappingProxyType(
    {
        DEFAULT: EvidencePolicy,
        "heuristic": HeuristicPolicy,
        "random": RandomTimingPolicy,
        "dead": DeadSeedPolicy,
    }
)
"""The policies that Esper ships, apart from `none`."""

_SCRIPT_SUFFIXES: Final = (".yaml", ".yml")


def _builds_policy(value: object) -> bool:
    """Return whether `value` can be called for a policy: a class with the methods of one, or a function."""
    return isinstance(value, FunctionType) or (
        isinstance(value, type) and {"decide", "state_dict", "load_state_dict"} <= set(dir(value))
    )


POLICIES: Final[Discovery[Callable[[], Any]]] = Discovery(
    noun="policy",
    group="esper.policies",
    remedy="name a class of it with decide, state_dict and load_state_dict, or a function that returns such an object",
    accepts=_builds_policy,
)


def policy_names() -> tuple[str, ...]:
    """Return the names of all policies: those shipped, then those of installed packages."""
    return tuple(dict.fromkeys((*SHIPPED, NO_POLICY, *POLICIES.installed())))


def build_policy(
    name: str, *, blueprint_ids: tuple[str, ...] | None = None, seed: int = 0
) -> GrowthPolicy | None:
    """Return a new policy; None for the name `none`.

    `name` is that of a policy, a place in a Python file, `path.py:NAME`, or the path of a script, which ends in `.yaml`. The
    shipped policies get the blueprints that suit the task, and those with random numbers the run's `seed`.

    Raises:
        UsageError: there is no such policy, or the place or the script holds none.
        MissingExtraError: a script needs PyYAML, which is not installed.
    """
    if name == NO_POLICY:
        return None
    if name in SHIPPED:
        return _build_shipped(name, blueprint_ids, seed)
    if name.endswith(_SCRIPT_SUFFIXES):
        return ScriptedPolicy.read(name)
    if is_place(name):
        return _checked(POLICIES.load_from_file(name), name)
    if (point := POLICIES.installed().get(name)) is not None:
        factory: object = point.load()
        if not _builds_policy(factory):
            raise UsageError(
                f"the entry point {name!r} of the group {POLICIES.group} must be a policy's class or a function that"
                f" returns a policy, got {type(factory).__name__} from {point.value}; correct the package that offers it"
            )
        return _checked(factory, name)
    raise UsageError(
        f'no policy "{name}"{did_you_mean(name, policy_names())}; there are: {", ".join(policy_names())}; one of your own'
        " is named as path.py:NAME, a script as path.yaml"
    )


def absolute(name: str) -> str:
    """Return `name` so that it means the same from another folder: a place or a script gets its whole path."""
    if name.endswith(_SCRIPT_SUFFIXES) and name not in policy_names():
        return str(Path(name).resolve())
    if is_place(name):
        path, _, attribute = name.rpartition(":")
        return f"{Path(path).resolve()}:{attribute}"
    return name


def summary_of(name: str) -> str:
    """Return in a line what the policy called `name` is; an installed one is not imported for it."""
    if name == NO_POLICY:
        return "no growth: the host trains alone"
    if name not in SHIPPED:
        return f"entry point {POLICIES.installed()[name].value}"
    policy = SHIPPED[name]
    return f"esper.{policy.__name__}: {(inspect.getdoc(policy) or '').partition(chr(10))[0]}"


def _build_shipped(name: str, blueprint_ids: tuple[str, ...] | None, seed: int) -> GrowthPolicy:
    match name:
        case "heuristic":
            return HeuristicPolicy(
                None if blueprint_ids is None else HeuristicConfig(blueprint_ids=blueprint_ids)
            )
        case "random":
            return RandomTimingPolicy(seed=seed)
        case "dead":
            return DeadSeedPolicy()
        case _:
            return EvidencePolicy(
                None if blueprint_ids is None else EvidenceConfig(blueprint_ids=blueprint_ids)
            )


def _checked(factory: Any, name: str) -> GrowthPolicy:
    """Return the policy that `factory` builds.

    Raises:
        UsageError: it builds something else.
    """
    policy: GrowthPolicy | None = factory()
    if policy is None:
        raise UsageError(f"a policy's function must return a policy, got None from {name}")
    check_policy(policy)
    return policy
