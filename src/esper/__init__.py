"""Keep a PyTorch training run alive, and let the network grow while it trains.

Every name below is imported on first use, so that reading telemetry never imports torch. The module `esper.telemetry`
holds the payloads, records, enums and emission helpers of the telemetry contract.
"""

import importlib
from typing import TYPE_CHECKING

from esper import version

if TYPE_CHECKING:
    from esper import telemetry as telemetry
    from esper._generated.enums import EvidenceMode, PanicReason, Resumption, SeedStage, Severity
    from esper._generated.envelope import Envelope
    from esper.karn.run import read_story
    from esper.karn.run_view import RunView, read
    from esper.karn.sql.database import RunDatabase, sql
    from esper.karn.story import RunStory
    from esper.kasmina.blueprints.registry import register_blueprint
    from esper.kasmina.blueprints.residual import SequenceSeed
    from esper.kasmina.description import describe, rebuild
    from esper.kasmina.evidence import EvidenceGates, paired_evidence
    from esper.kasmina.gates import GateResult, QualityGates
    from esper.kasmina.gradients import GradientHealth, capture_gradient_health
    from esper.kasmina.graft import SlotSpec, find_slots, graft, ungraft
    from esper.kasmina.place_signal import place_signals
    from esper.kasmina.slot import SeedSlot
    from esper.leyline.actions import Advance, Germinate, Prune, Rejuvenate
    from esper.leyline.channel import TelemetryChannel
    from esper.leyline.errors import (
        CheckpointError,
        EsperError,
        LogError,
        MissingExtraError,
        ProbeError,
        RunNotFoundError,
        SlotError,
        SnapshotError,
        UsageError,
    )
    from esper.leyline.policy import GrowthPolicy
    from esper.leyline.script import Decision
    from esper.leyline.signals import SlotSignals, TrainingSignals
    from esper.loading import load
    from esper.nissa.hub import Hub
    from esper.nissa.hub_config import HubConfig
    from esper.nissa.joining import HubHandle
    from esper.nissa.log import RunLog, RunLogConfig
    from esper.nissa.reader import RunEvents, read_run
    from esper.nissa.shipping.log_sink import LogSink, ShippedRun, event_key
    from esper.nissa.sink import Sink, SynchronousSink
    from esper.nissa.sinks.console import ConsoleSink
    from esper.nissa.sinks.memory import MemorySink
    from esper.own_run import Run, start_run
    from esper.running import resume_run, run_task
    from esper.tamiyo.budget import GrowthBudget
    from esper.tamiyo.controls import DeadSeedPolicy, RandomTimingPolicy
    from esper.tamiyo.evidence import EvidenceConfig, EvidencePolicy
    from esper.tamiyo.heuristic import HeuristicConfig, HeuristicPolicy
    from esper.tamiyo.keeper import KeeperConfig
    from esper.tamiyo.scripted import ScriptedPolicy
    from esper.tolaria.detection.detector import Detector, SigmaDetector
    from esper.tolaria.detection.limits import LM_LIMITS, RobustConfig
    from esper.tolaria.detection.non_finite import NonFiniteDetector
    from esper.tolaria.detection.robust import RobustDetector
    from esper.tolaria.detection.verdict import Verdict
    from esper.tolaria.governor import TolariaGovernor
    from esper.tolaria.probing.config import ProbeConfig
    from esper.tolaria.recovery.config import GovernorConfig
    from esper.tolaria.recovery.escalation import EscalationConfig
    from esper.tolaria.recovery.watch import WatchReport
    from esper.tolaria.snapshots.finite import NotFiniteError
    from esper.tolaria.stepper import Stepper
    from esper.tolaria.tasks.objective import (
        Classification,
        LanguageModelling,
        Objective,
        Regression,
    )
    from esper.tolaria.tasks.registry import get_task, register_task
    from esper.tolaria.tasks.task import Samples, Task
    from esper.tolaria.training.averaging import GrowingAverage
    from esper.tolaria.training.follow import Follower, follow
    from esper.tolaria.training.run_settings import RunSettings
    from esper.tolaria.training.trainer import Trainer

__all__ = [
    "LM_LIMITS",
    "Advance",
    "CheckpointError",
    "Classification",
    "ConsoleSink",
    "DeadSeedPolicy",
    "Decision",
    "Detector",
    "Envelope",
    "EscalationConfig",
    "EsperError",
    "EvidenceConfig",
    "EvidenceGates",
    "EvidenceMode",
    "EvidencePolicy",
    "Follower",
    "GateResult",
    "Germinate",
    "GovernorConfig",
    "GradientHealth",
    "GrowingAverage",
    "GrowthBudget",
    "GrowthPolicy",
    "HeuristicConfig",
    "HeuristicPolicy",
    "Hub",
    "HubConfig",
    "HubHandle",
    "KeeperConfig",
    "LanguageModelling",
    "LogError",
    "LogSink",
    "MemorySink",
    "MissingExtraError",
    "NonFiniteDetector",
    "NotFiniteError",
    "Objective",
    "PanicReason",
    "ProbeConfig",
    "ProbeError",
    "Prune",
    "QualityGates",
    "RandomTimingPolicy",
    "Regression",
    "Rejuvenate",
    "Resumption",
    "RobustConfig",
    "RobustDetector",
    "Run",
    "RunDatabase",
    "RunEvents",
    "RunLog",
    "RunLogConfig",
    "RunNotFoundError",
    "RunSettings",
    "RunStory",
    "RunView",
    "Samples",
    "ScriptedPolicy",
    "SeedSlot",
    "SeedStage",
    "SequenceSeed",
    "Severity",
    "ShippedRun",
    "SigmaDetector",
    "Sink",
    "SlotError",
    "SlotSignals",
    "SlotSpec",
    "SnapshotError",
    "Stepper",
    "SynchronousSink",
    "Task",
    "TelemetryChannel",
    "TolariaGovernor",
    "Trainer",
    "TrainingSignals",
    "UsageError",
    "Verdict",
    "WatchReport",
    "__version__",
    "capture_gradient_health",
    "describe",
    "event_key",
    "find_slots",
    "follow",
    "get_task",
    "graft",
    "load",
    "paired_evidence",
    "place_signals",
    "read",
    "read_run",
    "read_story",
    "rebuild",
    "register_blueprint",
    "register_task",
    "resume_run",
    "run_task",
    "sql",
    "start_run",
    "ungraft",
]

__version__ = version.VERSION

_HOMES = {
    "Advance": "esper.leyline.actions",
    "CheckpointError": "esper.leyline.errors",
    "Classification": "esper.tolaria.tasks.objective",
    "ConsoleSink": "esper.nissa.sinks.console",
    "DeadSeedPolicy": "esper.tamiyo.controls",
    "Decision": "esper.leyline.script",
    "Detector": "esper.tolaria.detection.detector",
    "Envelope": "esper._generated.envelope",
    "EscalationConfig": "esper.tolaria.recovery.escalation",
    "EsperError": "esper.leyline.errors",
    "EvidenceConfig": "esper.tamiyo.evidence",
    "EvidenceGates": "esper.kasmina.evidence",
    "EvidenceMode": "esper._generated.enums",
    "EvidencePolicy": "esper.tamiyo.evidence",
    "Follower": "esper.tolaria.training.follow",
    "GateResult": "esper.kasmina.gates",
    "Germinate": "esper.leyline.actions",
    "GovernorConfig": "esper.tolaria.recovery.config",
    "GradientHealth": "esper.kasmina.gradients",
    "GrowingAverage": "esper.tolaria.training.averaging",
    "GrowthBudget": "esper.tamiyo.budget",
    "GrowthPolicy": "esper.leyline.policy",
    "HeuristicConfig": "esper.tamiyo.heuristic",
    "HeuristicPolicy": "esper.tamiyo.heuristic",
    "Hub": "esper.nissa.hub",
    "HubConfig": "esper.nissa.hub_config",
    "HubHandle": "esper.nissa.joining",
    "KeeperConfig": "esper.tamiyo.keeper",
    "LM_LIMITS": "esper.tolaria.detection.limits",
    "LanguageModelling": "esper.tolaria.tasks.objective",
    "LogError": "esper.leyline.errors",
    "LogSink": "esper.nissa.shipping.log_sink",
    "MemorySink": "esper.nissa.sinks.memory",
    "MissingExtraError": "esper.leyline.errors",
    "NonFiniteDetector": "esper.tolaria.detection.non_finite",
    "NotFiniteError": "esper.tolaria.snapshots.finite",
    "Objective": "esper.tolaria.tasks.objective",
    "PanicReason": "esper._generated.enums",
    "ProbeConfig": "esper.tolaria.probing.config",
    "ProbeError": "esper.leyline.errors",
    "Prune": "esper.leyline.actions",
    "QualityGates": "esper.kasmina.gates",
    "RandomTimingPolicy": "esper.tamiyo.controls",
    "Regression": "esper.tolaria.tasks.objective",
    "Rejuvenate": "esper.leyline.actions",
    "Resumption": "esper._generated.enums",
    "RobustConfig": "esper.tolaria.detection.limits",
    "RobustDetector": "esper.tolaria.detection.robust",
    "Run": "esper.own_run",
    "RunDatabase": "esper.karn.sql.database",
    "RunEvents": "esper.nissa.reader",
    "RunLog": "esper.nissa.log",
    "RunLogConfig": "esper.nissa.log",
    "RunNotFoundError": "esper.leyline.errors",
    "RunSettings": "esper.tolaria.training.run_settings",
    "RunStory": "esper.karn.story",
    "RunView": "esper.karn.run_view",
    "Samples": "esper.tolaria.tasks.task",
    "ScriptedPolicy": "esper.tamiyo.scripted",
    "SeedSlot": "esper.kasmina.slot",
    "SeedStage": "esper._generated.enums",
    "SequenceSeed": "esper.kasmina.blueprints.residual",
    "Severity": "esper._generated.enums",
    "ShippedRun": "esper.nissa.shipping.log_sink",
    "SigmaDetector": "esper.tolaria.detection.detector",
    "Sink": "esper.nissa.sink",
    "SlotError": "esper.leyline.errors",
    "SlotSignals": "esper.leyline.signals",
    "SlotSpec": "esper.kasmina.graft",
    "SnapshotError": "esper.leyline.errors",
    "Stepper": "esper.tolaria.stepper",
    "SynchronousSink": "esper.nissa.sink",
    "Task": "esper.tolaria.tasks.task",
    "TelemetryChannel": "esper.leyline.channel",
    "TolariaGovernor": "esper.tolaria.governor",
    "Trainer": "esper.tolaria.training.trainer",
    "TrainingSignals": "esper.leyline.signals",
    "UsageError": "esper.leyline.errors",
    "Verdict": "esper.tolaria.detection.verdict",
    "WatchReport": "esper.tolaria.recovery.watch",
    "capture_gradient_health": "esper.kasmina.gradients",
    "describe": "esper.kasmina.description",
    "event_key": "esper.nissa.shipping.log_sink",
    "find_slots": "esper.kasmina.graft",
    "follow": "esper.tolaria.training.follow",
    "get_task": "esper.tolaria.tasks.registry",
    "graft": "esper.kasmina.graft",
    "load": "esper.loading",
    "paired_evidence": "esper.kasmina.evidence",
    "place_signals": "esper.kasmina.place_signal",
    "read": "esper.karn.run_view",
    "read_run": "esper.nissa.reader",
    "read_story": "esper.karn.run",
    "rebuild": "esper.kasmina.description",
    "register_blueprint": "esper.kasmina.blueprints.registry",
    "register_task": "esper.tolaria.tasks.registry",
    "resume_run": "esper.running",
    "run_task": "esper.running",
    "sql": "esper.karn.sql.database",
    "start_run": "esper.own_run",
    "ungraft": "esper.kasmina.graft",
}


# Hidden from type checkers, which would take any misspelt name for one that this function knows.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name from the module that defines it, or the module `telemetry`."""
        if name == "telemetry":
            return importlib.import_module("esper.telemetry")
        if name not in _HOMES:
            raise AttributeError(f'esper has no "{name}"; it has: {", ".join(__all__)}')
        value: object = getattr(importlib.import_module(_HOMES[name]), name)
        # Python calls this function only for names that the module lacks, so the next look-up does not need it.
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names for `dir` and tab completion, imported or not."""
    return [*__all__, "telemetry"]
