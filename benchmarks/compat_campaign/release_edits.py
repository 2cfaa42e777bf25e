"""Edits that are about records of a release before the old contract."""

from benchmarks.compat_campaign.drawing import EVENTS, Draft, Plain, section_of
from benchmarks.compat_campaign.event_edits import new_enum, new_event
from benchmarks.compat_campaign.field_edits import INT, STR, edit


@edit
def forget_reserved(draft: Draft) -> None:
    """A name of an earlier release is no longer reserved."""
    owner, name = draft.owner(), draft.name()
    section_of(draft.old, owner).setdefault("reserved", {})[name] = {"doc": "D."}
    _use_reserved(draft, owner, name)


@edit
def reuse_name(draft: Draft) -> None:
    """A name that was reserved is given to another field."""
    owner, name = draft.owner(), draft.name()
    section_of(draft.old, owner).setdefault("reserved", {})[name] = {"doc": "D."}
    draft.put(draft.new, owner, name, {"type": "str", "missing": "b", "default": "b"})
    _use_reserved(draft, owner, name)


def _use_reserved(draft: Draft, owner: str, name: str) -> None:
    def make_first(first: Plain) -> None:
        section_of(first, owner)["reserved"].pop(name)
        draft.put(first, owner, name, STR)

    draft.make_first = make_first


@edit
def reuse_event(draft: Draft) -> None:
    """The name of a retired event is given to another one."""
    name = draft.name("AGAIN").upper()
    draft.old["retired"] = {**draft.old.get("retired", {}), name: {"doc": "D."}}
    draft.new["events"][name] = new_event(name)

    def make_first(first: Plain) -> None:
        first["retired"].pop(name)
        first["events"][name] = new_event(name)

    draft.make_first = make_first


@edit
def forget_retired(draft: Draft) -> None:
    """The name of a retired event is no longer reserved."""
    draft.old["retired"] = {
        **draft.old.get("retired", {}),
        draft.name("PAST").upper(): {"doc": "D."},
    }


@edit
def forget_member(draft: Draft) -> None:
    """A reserved member of an enum is forgotten, or its name or number is used again."""
    name = new_enum(draft, "RED", "BLUE")
    draft.old["enums"][name]["reserved"] = {"FORMER": {"value": 5, "doc": "D."}}
    again = draft.rng.choice(
        [None, {"FORMER": {"value": 6, "doc": "D."}}, {"OTHER": {"value": 5, "doc": "D."}}]
    )
    if again:
        draft.new["enums"][name]["members"] |= again

    def make_first(first: Plain) -> None:
        first["enums"][name]["members"] |= first["enums"][name].pop("reserved")

    draft.make_first = make_first


@edit
def edit_released_upcast(draft: Draft) -> None:
    owner, name = draft.rng.choice(EVENTS), draft.name()
    for side in (draft.old, draft.new):
        draft.put(side, owner, name, INT)
    for side, value in ((draft.old, 1), (draft.new, 2)):
        steps = {"fields": {name: {"fill": value}}}
        side["upcasts"] = {"1.0.0": {"doc": "D.", "events": {owner: steps}}}
    draft.make_first = lambda first: first["events"][owner]["fields"].pop(name)
