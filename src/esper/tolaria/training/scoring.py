"""Scores the seeds of a network at the end of an epoch: accuracy, contribution, and evidence from the loss of each sample."""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from esper._generated.enums import EvidenceMode, SeedStage
from esper.kasmina.evidence import EvidenceGates, paired_evidence
from esper.kasmina.slot import SeedSlot
from esper.tolaria.tasks.objective import Objective
from esper.tolaria.tasks.task import GAIN_OF_A_WIDER_HOST, Samples
from esper.tolaria.training.metrics import Evaluation, evaluate

_LOG = logging.getLogger("esper")


class SeedScorer:
    """Records the scores of a run's seeds, and counts the seeds, since each needs more confidence than the one before.

    The losses of the network as it is are those of its validation. Each seed that is not a fossil takes one more pass over the same
    samples: in TRAINING with the seed at full amplitude, and later with the seed switched off.
    """

    def __init__(
        self, model: nn.Module, objective: Objective, price_per_parameter: float | None
    ) -> None:
        """Score the seeds of `model`, each parameter of which must earn `price_per_parameter` in nats.

        Without a price it is the gain of a wider host, for the present size of `model`.
        """
        self._model = model
        self._objective = objective
        if price_per_parameter is None:
            num_params = sum(parameter.numel() for parameter in model.parameters())
            price_per_parameter = GAIN_OF_A_WIDER_HOST / max(num_params, 1)
        self._price_per_parameter = price_per_parameter
        self._num_seeds = 0

    def score(self, slots: Iterable[SeedSlot], samples: Samples, validation: Evaluation) -> None:
        """Record the scores of all seeds in `slots`; `validation` is the result for the network as it is on `samples`."""
        for slot in slots:
            slot.record_accuracy(validation.accuracy)
            if slot.stage is SeedStage.TRAINING:
                self._score_hidden(slot, samples, validation)
            elif slot.is_unsettled and slot.alpha > 0.0:
                self._score_visible(slot, samples, validation)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of seeds so far."""
        return {"num_seeds": self._num_seeds}

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Restore the result of `state_dict`; None, as in checkpoints of earlier versions, starts to count."""
        self._num_seeds = 0 if state is None else state["num_seeds"]

    def _score_hidden(self, slot: SeedSlot, samples: Samples, validation: Evaluation) -> None:
        started = time.monotonic()
        with slot.shadow():
            shown = evaluate(self._model, samples, self._objective)
        self._record(slot, EvidenceMode.SHADOW, shown, validation, time.monotonic() - started)

    def _score_visible(self, slot: SeedSlot, samples: Samples, validation: Evaluation) -> None:
        started = time.monotonic()
        with slot.force_alpha(0.0):
            without = evaluate(self._model, samples, self._objective)
        slot.record_contribution(validation.accuracy - without.accuracy)
        duration_s = time.monotonic() - started
        self._record(slot, EvidenceMode.COUNTERFACTUAL, validation, without, duration_s)

    def _record(
        self,
        slot: SeedSlot,
        mode: EvidenceMode,
        with_seed: Evaluation,
        without_seed: Evaluation,
        duration_s: float,
    ) -> None:
        last = slot.evidence
        if last is None:
            self._num_seeds += 1
        evidence = paired_evidence(
            with_seed.losses,
            without_seed.losses,
            mode=mode,
            look=last.look + 1 if last is not None and last.mode is mode else 1,
            seed_number=self._num_seeds if last is None else last.seed_number,
            num_params=slot.num_seed_params,
            price_per_parameter=self._price_per_parameter,
            duration_s=duration_s,
        )
        slot.record_evidence(evidence)
        if mode is EvidenceMode.COUNTERFACTUAL and evidence.look == 1:
            self._warn_of_price(slot, evidence.price, without_seed)

    def _warn_of_price(self, slot: SeedSlot, price: float, without_seed: Evaluation) -> None:
        """Log a warning if the seed would have to earn more than all of the loss, which no evidence can show."""
        loss = without_seed.losses.mean().item()
        # Losses that may be negative, such as those of densities, have no such limit.
        if loss < price and without_seed.losses.min().item() >= 0.0:
            _LOG.warning(
                "seed %r cannot pay: its %d parameters must lower the loss by %.3g, and all of the loss without it is %.3g;"
                " lower Task.price_per_parameter, or name smaller blueprints in Task.blueprint_ids",
                slot.seed_id,
                slot.num_seed_params,
                price,
                loss,
            )


def ask_for_evidence(slots: Iterable[SeedSlot]) -> None:
    """Give evidence gates to the slots that have no gates of their own."""
    for slot in slots:
        if not slot.has_own_gates:
            slot.gates = EvidenceGates()
