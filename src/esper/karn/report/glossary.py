"""The terms that a report uses, each with its explanation from the glossary of the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

GLOSSARY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "alpha": (
            "The amplitude with which a seed counts in the output of its slot, from 0 (not at "
            "all) to 1 (fully). While a seed is blended in or out it follows a schedule, one step "
            "an epoch."
        ),
        "blending": (
            "The stage in which a seed's alpha rises or falls. Also: the rule by which features "
            "and seed are combined (add, multiply, or a learned gate)."
        ),
        "blueprint": (
            "A function that builds a seed for a number of channels, registered by name for a "
            "topology."
        ),
        "contribution": (
            "How much accuracy, in percentage points, the network loses when a seed is switched "
            "off."
        ),
        "cool-down": (
            "The epochs after a prune in which a slot cannot be planted again (stages PRUNED, "
            "EMBARGOED, RESETTING)."
        ),
        "fossil": (
            "A seed that was kept: a permanent part of the network, at full alpha. A rollback "
            "does not remove it."
        ),
        "gate": (
            "The checks that a seed must pass to enter its next stage, named G0 to G5. The "
            "learned gate of the blending rule GATE is something else: a small module that weighs "
            "the seed for each sample."
        ),
        "germinate": ("To plant a seed: to build it from a blueprint in an empty slot."),
        "governor": (
            "The object that watches losses, keeps snapshots and rolls back when training breaks."
        ),
        "host": ("The network without its seeds."),
        "policy": (
            "An object that decides when to plant, advance and prune seeds, from plain numbers."
        ),
        "probe": (
            "A function from a batch to its losses, with which the governor compares the present "
            "weights with a snapshot."
        ),
        "prune": ("To remove a seed that is not kept."),
        "rollback": (
            "Restoring the weights of a snapshot. Seeds that are still growing are pruned in it."
        ),
        "run": ("One training from start to end, resumed or not, and its folder runs/<run-id>/."),
        "seed": (
            "A small module that is planted in a slot, learns, is blended in, and is then kept as "
            "a fossil or pruned."
        ),
        "slot": (
            "The place in a network where a seed can be planted. Empty, it returns its input."
        ),
        "snapshot": (
            "A verified copy of the weights, and on request of optimizer states and companions, "
            "in host memory. A checkpoint is a file from which a run can be resumed."
        ),
        "stage": (
            "The phase of a seed's life: DORMANT (empty slot), GERMINATED, TRAINING, BLENDING, "
            "HOLDING, FOSSILIZED, or cooling down (PRUNED, EMBARGOED, RESETTING)."
        ),
        "suspicion": (
            "A sign that the weights may be damaged, such as a loss that is anomalous but finite. "
            "The governor looks for evidence, and clears the suspicion if it finds no damage."
        ),
        "verdict": (
            "The result of judging one loss, with its reasons. It says whether the optimizer may "
            "step (may_step) and whether the loop must end (must_stop)."
        ),
    }
)
