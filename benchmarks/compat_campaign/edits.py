"""The table of all edits, in the order in which they are drawn."""

from benchmarks.compat_campaign import event_edits, release_edits
from benchmarks.compat_campaign.field_edits import EDITS

__all__ = ["EDITS", "event_edits", "release_edits"]
