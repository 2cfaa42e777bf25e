"""The thresholds from which something looks wrong in a run; every sentence that rests on one names it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Chosen on the recorded and made-up runs of the tests, so that a run in which all is well gets no advice."""

    min_epochs: int = 8
    """Epochs from which the curve of the losses is judged."""
    overfit_epochs: int = 5
    """Epochs after the best one, and..."""
    overfit_rise: float = 0.05
    """...rise of the decision loss above its best, as a share, from which a run over-fits if the training loss falls."""
    noise_factor: float = 3.0
    """Standard deviations of the noise between epochs that a rise must exceed."""
    divergence: float = 2.0
    """Multiple of the best decision loss from which a run has diverged."""
    plateau_share: float = 0.25
    """Share of the epochs, at the end, and..."""
    plateau_fall: float = 0.01
    """...fall of the best decision loss in them, as a share, below which it is a plateau."""
    ended_above: float = 0.2
    """Rise of the best decision loss in the last quarter above that before, as a share, from which the run ended badly."""
    falling: float = 0.05
    """Fall of the best decision loss in the last quarter, as a share, from which more epochs are worth a try."""
    gate_checks: int = 3
    """Checks of a seed by one gate, all of them failed, from which the gate is in its way."""
    seeds_removed: int = 3
    """Seeds removed, with none kept, from which growing looks useless."""
    vanishing: int = 3
    """Measurements of a vanishing gradient of a seed."""
    rollbacks: int = 3
    """Rollbacks of a run from which their common cause should be removed."""
    helped: float = 1.2
    """A rollback has helped if the next epoch's decision loss is at most this multiple of the best of the three before it."""
    skipped_share: float = 0.01
    """Skipped steps, as a share of all steps."""
    lost_share: float = 0.1
    """Steps undone by rollbacks, as a share of all steps."""
    false_alarms: int = 5
    """Suspicions cleared, and..."""
    false_alarms_per_epoch: float = 0.2
    """...suspicions cleared an epoch, from which the checks cost more than they should."""
    sink_lag_s: float = 60.0
    """Seconds that a sink may lag behind the log."""
    disk_free_share: float = 0.05
    """Free part of the disk, as a share."""
    memory_used_share: float = 0.95
    """Used memory of the machine, as a share."""
    memory_growth: float = 0.5
    """Growth of the process's memory over the second half of its samples, as a share."""
    min_samples: int = 20
    """Samples of the machine from which growth and load are judged."""
    machine_busy: float = 90.0
    """Median load of the processors in percent from which the machine is busy, and..."""
    process_share: float = 0.5
    """...share of that load that is the process's own, below which others starve it."""


THRESHOLDS = Thresholds()
