"""A scripted policy says which of its decisions it cannot take."""

import logging

from esper.kasmina.slot import SeedSlot
from esper.leyline.actions import Advance, Rejuvenate
from esper.leyline.script import Decision
from esper.leyline.signals import TrainingSignals
from esper.tamiyo.scripted import ScriptedPolicy
from esper.tolaria.training.signals import slot_signals


def signals_after(epoch, epochs=8):
    return TrainingSignals(
        epoch=epoch,
        epochs=epochs,
        val_loss=1.0,
        val_accuracy=50.0,
        may_germinate=True,
        slots=(slot_signals(SeedSlot("a", 3)),),
    )


ADVANCE = Advance(slot_id="a")


def script(*epochs, action=ADVANCE):
    return ScriptedPolicy([Decision(epoch=epoch, action=action) for epoch in epochs])


def test_decisions_of_epochs_without_a_question_are_logged_once(caplog):
    """A trial takes epochs, the governor finds some unhealthy, and a run may be shorter than its script."""
    caplog.set_level(logging.WARNING)
    policy = script(1, 3, 5, 9)

    assert policy.decide(signals_after(1)) == [ADVANCE]
    resumed = script(1, 3, 5, 9)
    resumed.load_state_dict(policy.state_dict())
    assert resumed.decide(signals_after(5)) == [ADVANCE]
    assert resumed.decide(signals_after(6)) == []

    assert [record.getMessage() for record in caplog.records] == [
        "epoch 9: a decision of the script is left out: the run ends after epoch 8",
        "epoch 3: a decision of the script is left out: the run did not ask for decisions after it",
    ]


def test_the_state_of_an_earlier_version_is_loaded():
    policy = script(2)
    policy.load_state_dict({"script": policy.state_dict()["script"]})

    assert policy.decide(signals_after(2)) == [ADVANCE]


def test_a_script_rejuvenates_once_after_an_epoch(caplog):
    assert script(2, 2, action=Rejuvenate()).decide(signals_after(2)) == [Rejuvenate()]
    assert "more than once" in caplog.text
