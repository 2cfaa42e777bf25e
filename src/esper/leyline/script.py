"""Scripts of growth: the decisions of a run, epoch by epoch, as a text that people can read, change and run again.

A script is a YAML file with a list of decisions:

    - {epoch: 4, action: germinate, slot: "r0c0", blueprint: "conv_light", blend_tempo_epochs: 1}
    - {epoch: 4, action: advance, slot: "r0c0"}
    - {epoch: 9, action: prune, slot: "r0c0", reason: "does_not_pay"}
    - {epoch: 9, action: rejuvenate, shrink: 0.4, perturb: 0.6, trial_share: 0.1, includes_seeds: true}
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from esper.leyline.actions import Action, Advance, Germinate, Prune, Rejuvenate


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An action that was taken, or is to be taken, at the end of an epoch."""

    epoch: int
    """From 1."""
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of a decision in a script."""

    field: str
    """Field of the action."""
    types: tuple[type, ...]
    """Types of the value; a bool is no number."""
    is_required: bool = True
    minimum: int | None = None


_SLOT: Final = Key(field="slot_id", types=(str,))
_FACTOR: Final = (float, int)

ACTIONS: Final[Mapping[str, tuple[Callable[..., Action], Mapping[str, Key]]]] = MappingProxyType(
    {
        "germinate": (
            Germinate,
            {
                "slot": _SLOT,
                "blueprint": Key(field="blueprint_id", types=(str,)),
                "blend_tempo_epochs": Key(field="blend_tempo_epochs", types=(int,), minimum=1),
            },
        ),
        "advance": (
            Advance,
            {
                "slot": _SLOT,
                "on_credit": Key(field="on_credit", types=(bool,), is_required=False),
            },
        ),
        "prune": (Prune, {"slot": _SLOT, "reason": Key(field="reason", types=(str,))}),
        "rejuvenate": (
            Rejuvenate,
            {
                "shrink": Key(field="shrink", types=_FACTOR, is_required=False),
                "perturb": Key(field="perturb", types=_FACTOR, is_required=False),
                "trial_share": Key(field="trial_share", types=_FACTOR, is_required=False),
                "includes_seeds": Key(field="includes_seeds", types=(bool,), is_required=False),
            },
        ),
    }
)
"""The actions by their names in scripts, each with its keys besides `epoch` and `action`."""


def to_line(decision: Decision) -> str:
    """Return `decision` as one line of a script, without a line break."""
    name, (_, keys) = next(
        (name, entry) for name, entry in ACTIONS.items() if type(decision.action) is entry[0]
    )
    pairs: dict[str, Any] = {"epoch": decision.epoch, "action": name}
    pairs |= {key: getattr(decision.action, entry.field) for key, entry in keys.items()}
    # The name of the action needs no quotes.
    written = (f"{key}: {v if key == 'action' else _scalar(v)}" for key, v in pairs.items())
    return f"- {{{', '.join(written)}}}"


def _scalar(value: str | bool | int | float) -> str:
    """Return `value` as every parser of YAML reads it."""
    if isinstance(value, str):
        return f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    # Without a point, 1e-05 is a string to many parsers.
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def _escaped(character: str) -> str:
    """Return a character of a double-quoted string."""
    if character in '"\\':
        return "\\" + character
    if " " <= character <= "~":
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def to_text(decisions: Iterable[Decision], *, title: str) -> str:
    """Return a script with a comment that says `title`, one line of text."""
    lines = [f"# {title}", *map(to_line, decisions)]
    if len(lines) == 1:
        lines.append("[]")
    return "\n".join(lines) + "\n"
