"""Edits of events, of the envelope and the context, and of enums and other classes."""

from typing import Any

from benchmarks.compat_campaign.drawing import EVENTS, Draft, Plain, fields_of
from benchmarks.compat_campaign.field_edits import FLOAT, INT, both, edit, maybe


def new_event(name: str, fields: Plain | None = None, **keys: Any) -> Plain:
    payload = name.title().replace("_", "") + "Payload"
    own = {
        "what": {"type": "str", "arg": True, "doc": "D."},
        "size": {**INT, "arg": True, "doc": "D."},
    }
    return {"doc": "D.", "family": "first", "payload": payload, "fields": fields or own, **keys}


@edit
def add_event(draft: Draft) -> None:
    name = draft.name("NEW").upper()
    draft.new["events"][name] = new_event(name)


@edit
def remove_event(draft: Draft) -> None:
    name = draft.name("GONE").upper()
    keys = maybe(draft, 0.5, {"deprecated": "D."})
    draft.old["events"][name] = new_event(name, **keys)
    if draft.rng.random() < 0.6:
        draft.new["retired"] = {**draft.new.get("retired", {}), name: {"doc": "D."}}
    other = draft.name("KEPT").upper()
    for side in (draft.old, draft.new):
        side["events"][other] = new_event(
            other,
            {"what": {"type": "str", "arg": True, "doc": "D."}},
            reserved={"size": {"doc": "D."}},
        )
    draft.becomes[name] = draft.rng.choice([other, other, "ALPHA"])


@edit
def rename_event(draft: Draft) -> None:
    name, other = draft.name("WAS").upper(), draft.name("IS").upper()
    draft.old["events"][name] = new_event(name)
    draft.new["events"][other] = new_event(other, **maybe(draft, 0.7, {"renamed_from": name}))
    draft.becomes[name] = other


@edit
def retire_event(draft: Draft) -> None:
    name = draft.name("OUT").upper()
    keys = maybe(draft, 0.5, {"deprecated": "D."})
    draft.old["events"][name] = new_event(name, **keys)
    draft.new["events"][name] = new_event(name, retired=draft.new["version"], **keys)


@edit
def change_cadence(draft: Draft) -> None:
    event = draft.rng.choice(EVENTS)
    draft.old["events"][event]["cadence"] = "once an epoch"
    draft.new["events"][event]["cadence"] = "once a step"


@edit
def change_class(draft: Draft) -> None:
    event = draft.rng.choice(EVENTS)
    key, value = draft.rng.choice(
        [("payload", "OtherPayload"), ("family", None), ("source", "OtherSource")]
    )
    other = {"ALPHA": "second", "BETA": "first"}[event]
    draft.new["events"][event][key] = value or other
    # The family that loses its event keeps another one.
    for side in (draft.old, draft.new):
        side["events"]["FIRST"] = new_event("FIRST")
        side["events"]["SECOND"] = new_event("SECOND", family="second")


@edit
def add_to_envelope(draft: Draft) -> None:
    keys = maybe(draft, 0.6, {"missing": 1}) | maybe(draft, 0.6, {"default": 1})
    draft.new["envelope"]["fields"][draft.name("key")] = {**INT, "doc": "D.", **keys}


@edit
def remove_from_envelope(draft: Draft) -> None:
    keys = maybe(draft, 0.5, {"missing": 1})
    draft.old["envelope"]["fields"][draft.name("key")] = {**INT, "doc": "D.", **keys}


@edit
def change_envelope(draft: Draft) -> None:
    name = draft.name("key")
    kinds: list[Plain] = [
        {**INT, "range": [0, 5]},
        {**INT, "range": [0, 9]},
        {**FLOAT, "range": [0, 5]},
        {**INT, "range": [0, 5], "nullable": True},
    ]
    for side, keys in zip((draft.old, draft.new), draft.rng.sample(kinds, 2), strict=True):
        side["envelope"]["fields"][name] = {**keys, "doc": "D."}


@edit
def add_context(draft: Draft) -> None:
    name = draft.name("context")
    place = draft.rng.choice(["payload", "envelope"])
    keys = {**INT, "doc": "D.", "default": 0, "place": place, **maybe(draft, 0.6, {"missing": 0})}
    draft.new["context"][name] = keys
    if place == "payload":
        draft.new["events"]["BETA"].setdefault("context", []).append(name)


@edit
def drop_context(draft: Draft) -> None:
    """An event is written without a value of the context that it had."""
    name = draft.name("context")
    keys = {
        **INT,
        "doc": "D.",
        "default": 0,
        "place": "payload",
        **maybe(draft, 0.5, {"missing": 0}),
    }
    for side in (draft.old, draft.new):
        side["context"][name] = dict(keys)
    draft.old["events"]["BETA"].setdefault("context", []).append(name)


def new_enum(draft: Draft, *members: str, is_open: bool = False) -> str:
    """Add an enum to both contracts and a field of each owner that holds it; return its name."""
    name = draft.name("Enum").title()
    for side in (draft.old, draft.new):
        numbered = {one: {"value": number, "doc": "D."} for number, one in enumerate(members)}
        side["enums"][name] = {"doc": "D.", "open": is_open, "members": numbered}
    suffix = draft.rng.choice(["", "[]", "{}"])
    both(draft, {"type": name + suffix}, {"type": name + suffix})
    return name


@edit
def add_member(draft: Draft) -> None:
    name = new_enum(draft, "RED", "BLUE", is_open=draft.rng.random() < 0.5)
    draft.new["enums"][name]["members"]["NEWER"] = {"value": 9, "doc": "D."}


@edit
def remove_member(draft: Draft) -> None:
    name = new_enum(draft, "RED", "BLUE", is_open=draft.rng.random() < 0.3)
    removed = draft.new["enums"][name]["members"].pop("BLUE")
    if draft.rng.random() < 0.5:
        number = draft.rng.choice([removed["value"], removed["value"], 7])
        draft.new["enums"][name]["reserved"] = {"BLUE": {"value": number, "doc": "D."}}
    _cure_members(draft, {"BLUE": "RED"})


@edit
def rename_member(draft: Draft) -> None:
    name = new_enum(draft, "RED", "BLUE")
    members = draft.new["enums"][name]["members"]
    members["AZURE"] = members.pop("BLUE")
    _cure_members(draft, {"BLUE": draft.rng.choice(["AZURE", "AZURE", "TEAL"])})


def _cure_members(draft: Draft, names: dict[str, str]) -> None:
    owner, field = next(
        (owner, name)
        for owner in ("ALPHA", "BETA", "Point", "Leg")
        for name, keys in reversed(fields_of(draft.new, owner).items())
        if keys["type"].startswith("Enum")
    )
    draft.cure(owner, field, {"convert": field, "values": names})


@edit
def renumber_member(draft: Draft) -> None:
    name = new_enum(draft, "RED", "BLUE")
    draft.new["enums"][name]["members"]["BLUE"]["value"] = 7


@edit
def change_openness(draft: Draft) -> None:
    name = new_enum(draft, "RED", "BLUE")
    side = draft.rng.choice([draft.old, draft.new])
    side["enums"][name]["open"] = True


@edit
def rename_class(draft: Draft) -> None:
    if draft.rng.random() < 0.5:
        old = new_enum(draft, "RED", "BLUE")
        kind = "enums"
    else:
        old, kind = draft.name("Record").title(), "records"
        for side in (draft.old, draft.new):
            side["records"][old] = {"doc": "D.", "fields": {"x": {**INT, "doc": "D."}}}
        both(draft, {"type": old}, {"type": old})
    name = draft.name("Named").title()
    draft.new[kind][name] = {
        **draft.new[kind].pop(old),
        **maybe(draft, 0.7, {"renamed_from": old}),
    }
    for owner in (*draft.new["records"], *draft.new["events"]):
        for keys in fields_of(draft.new, owner).values():
            keys["type"] = keys["type"].replace(old, name)


@edit
def remove_class(draft: Draft) -> None:
    draft.old["enums"][draft.name("Extra").title()] = {
        "doc": "D.",
        "members": {"ONE": {"value": 1, "doc": "D."}},
    }


@edit
def add_class(draft: Draft) -> None:
    draft.new["records"][draft.name("Extra").title()] = {
        "doc": "D.",
        "fields": {"x": {**INT, "doc": "D."}},
    }


@edit
def change_owner(draft: Draft) -> None:
    draft.new["owner"] = "somebody else"
