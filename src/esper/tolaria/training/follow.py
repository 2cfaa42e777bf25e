"""Keeps an optimizer and its schedulers in step with the seeds of a network that grows.

An optimizer knows only the parameters that it was built with, and many schedulers of PyTorch fail or compute wrong rates once
a group is added. So each seed gets a group of its own, schedulers see the groups of the host alone, and the rates of
the seeds' groups are computed from the rate of the host's first group, just before each step.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast, final

from torch import Tensor, nn
from torch.optim import LBFGS, Adagrad, Muon, Optimizer, SparseAdam
from torch.optim.lr_scheduler import ChainedScheduler, LRScheduler, SequentialLR

from esper.kasmina.graft import find_slots
from esper.kasmina.slot import SeedSlot
from esper.leyline.arguments import check_callable, describe, instance_of
from esper.leyline.errors import SlotError
from esper.tolaria.training.parameter_groups import (
    NOT_SETTINGS,
    SEED_GROUP,
    HostGroups,
    copied,
    groups_state_dict,
    is_of_seed,
    load_groups_state_dict,
    set_setting,
)

_SCHEDULED: Final = ("momentum", "betas")
"""Settings other than the learning rate that schedulers of PyTorch change."""

_Scheduler = TypeVar("_Scheduler", bound=LRScheduler)


def follow(
    optimizer: Optimizer,
    scheduler: LRScheduler | Iterable[LRScheduler] | None,
    slots: nn.Module | Mapping[str, SeedSlot] | Iterable[SeedSlot],
    *,
    options: Mapping[str, Any] | None = None,
    accepts: Callable[[nn.Parameter], bool] | None = None,
) -> "Follower":
    """Keep `optimizer` in step with the seeds of `slots`, from now on and without further calls.

    Just before each `optimizer.step()`, a planted seed gets a parameter group of its own after the host's groups, in the
    order of the slots. The group stays when the seed fossilises, with its momentum, and is removed with its state when the seed
    is pruned. Seeds that the optimizer already trains stay in their group until they are pruned.

    The learning rate of a seed is that of the host's first group, or follows the same schedule from a base of its own if
    `options` name an `lr`: it is the seed's base times the quotient of that group's rate and its base, which is `max_lr` under
    `OneCycleLR`, else `initial_lr` where there is a scheduler, else the rate at this call. Momentum and betas are
    copied from that group before each step too. All other settings are copied from it once, when the seed is planted.

    Args:
        optimizer: any optimizer that takes several parameter groups.
        scheduler: its scheduler or schedulers, built before this call; None without one. A scheduler that is built later must
            be built by `Follower.add_scheduler`.
        slots: a model, whose slots are found, or its slots, by path or in a list.
        options: settings of the seeds' groups that differ from those of the host's first group, such as
            `{"lr": 0.01, "weight_decay": 0.0}`.
        accepts: returns whether the optimizer trains a given parameter of a seed; by default it trains all. With it, two optimizers
            can share the seeds, such as `Muon` for matrices and `AdamW` for all else.

    Raises:
        ValueError: an argument is of another type, the optimizer is `LBFGS`, or an option is unknown to it.
        SlotError: a seed that is planted already has a parameter that the optimizer cannot train.
    """
    if isinstance(scheduler, LRScheduler):
        scheduler = (scheduler,)
    return Follower(
        optimizer,
        () if scheduler is None else tuple(scheduler),
        _by_path(slots),
        options={} if options is None else options,
        accepts=accepts,
    )


@final
class Follower:
    """Keeps one optimizer in step with the seeds of a network; `follow` builds it and describes what it does.

    The optimizer itself calls it before every step. Call `update` only where the groups must be right earlier.

    Attributes:
        optimizer: the optimizer that is followed.
        slots: the slots, by path.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: tuple[LRScheduler, ...],
        slots: Mapping[str, SeedSlot],
        *,
        options: Mapping[str, Any],
        accepts: Callable[[nn.Parameter], bool] | None,
    ) -> None:
        """Take over the schedulers, add the groups of the seeds that are planted already, and register the hook."""
        instance_of("an optimizer to follow", optimizer, Optimizer)
        if isinstance(optimizer, LBFGS):
            raise ValueError(
                "an optimizer to follow must take several parameter groups, got LBFGS, which takes one;"
                " train the seeds with another optimizer, such as AdamW"
            )
        if unknown := sorted(options.keys() - optimizer.defaults.keys()):
            raise ValueError(
                f"options must be settings of {type(optimizer).__name__}, got {', '.join(unknown)};"
                f" it has: {', '.join(optimizer.defaults)}"
            )
        if accepts is not None:
            check_callable("accepts", accepts)
        self.optimizer = optimizer
        self.slots = slots
        self._options = dict(options)
        self._accepts = accepts
        self._host_view = HostGroups(optimizer)
        self._first_rate = copied(self._reference["lr"])
        for scheduler in schedulers:
            self._take_over(scheduler)
        if "lr" in options and not self._base_rate > 0.0:
            raise ValueError(
                "seeds with a base rate of their own need a host's base rate above 0 to follow its schedule,"
                f" got {self._base_rate}; leave `lr` out of options"
            )
        self._planted: tuple[nn.Module | None, ...] = ()
        self._known: dict[int, nn.Parameter] = {}
        self.update()
        optimizer.register_step_pre_hook(self._before_step)

    def update(self) -> None:
        """Add and remove groups and set the seeds' rates now instead of just before the next step.

        Where this is not called after planting, a seed sits out the first step: its first gradients may have been scaled
        by a `GradScaler` that did not know them. Call it before `optimizer.load_state_dict` too, after the model's.

        Raises:
            SlotError: a seed has a parameter that the optimizer cannot train.
        """
        self._arrange()
        self._set_rates()

    def add_scheduler(self, build: Callable[[Optimizer], _Scheduler]) -> _Scheduler:
        """Return the scheduler that `build` makes for the optimizer; it will not see the seeds' groups.

        For example, `follower.add_scheduler(lambda optimizer: SWALR(optimizer, swa_lr=0.05))`.

        Raises:
            ValueError: `build` returned no scheduler of the optimizer.
        """
        groups = self.optimizer.param_groups
        seed_groups = [group for group in groups if is_of_seed(group)]
        groups[:] = self._host_view.param_groups
        try:
            scheduler = build(self.optimizer)
        finally:
            groups.extend(seed_groups)
        self._take_over(scheduler)
        self._set_rates()
        return scheduler

    def state_dict(self) -> dict[str, dict[str, Any]]:
        """Return the settings and the state of every group, by its name, or its index such as `group0`.

        Unlike that of the optimizer, it can be loaded whatever the order in which the seeds were planted.
        """
        self.update()
        return groups_state_dict(self.optimizer)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, after the model has been restored; tensors are copied.

        Raises:
            CheckpointError: `state` is that of an optimizer with other groups or other parameters; nothing is changed.
        """
        self.update()
        load_groups_state_dict(self.optimizer, state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Register the hook again: a copy of an optimizer has none."""
        self.__dict__.update(state)
        self._known = {id(parameter): parameter for parameter in self._known.values()}
        self.optimizer.register_step_pre_hook(self._before_step)

    @property
    def _reference(self) -> dict[str, Any]:
        """The group whose schedule the seeds follow."""
        return self._host_view.param_groups[0]

    @property
    def _base_rate(self) -> float | Tensor:
        reference = self._reference
        base: float | Tensor = reference.get(
            "max_lr", reference.get("initial_lr", self._first_rate)
        )
        return base

    def _before_step(self, *_: Any) -> None:
        if self._planted != self._modules():
            for parameter in self._arrange():
                parameter.grad = None
        self._set_rates()
        if isinstance(self.optimizer, SparseAdam):
            self._check_sparse()

    def _modules(self) -> tuple[nn.Module | None, ...]:
        """Return the seeds and gates of all slots; comparing them is much cheaper than listing their parameters."""
        return tuple(module for slot in self.slots.values() for module in (slot.seed, slot.gate))

    def _arrange(self) -> list[nn.Parameter]:
        """Make the groups agree with the seeds, and return the parameters that are new."""
        now = {id(one): one for slot in self.slots.values() for one in slot.seed_parameters()}
        mine = {*self._known, *now}
        ours, others = {}, []
        for present in filter(is_of_seed, self.optimizer.param_groups):
            if present["params"] and id(present["params"][0]) not in mine:
                others.append(present)
            else:
                ours[present["name"]] = present
        for key, parameter in self._known.items():
            if key not in now:
                self._forget(parameter)
        hosts = self._host_view.param_groups
        of_host = {id(parameter) for group in hosts for parameter in group["params"]}
        wanted = {
            f"{SEED_GROUP}{path}:{slot.seed_id}": self._trained(path, slot, of_host)
            for path, slot in self.slots.items()
        }
        new = []
        # The order of the slots, whatever the order of planting: PyTorch restores states by position.
        self.optimizer.param_groups[:] = [*hosts, *others]
        for name, named in wanted.items():
            if not named:
                continue
            group = ours.get(name)
            if group is not None and _same(group["params"], named.values()):
                self.optimizer.param_groups.append(group)
            else:
                new += [one for one in named.values() if id(one) not in self._known]
                self._add_group(name, named, {} if group is None else group)
        self._known = now
        self._planted = self._modules()
        return new

    def _trained(self, path: str, slot: SeedSlot, of_host: set[int]) -> dict[str, nn.Parameter]:
        """Return the parameters of a seed that belong into its group, by name."""
        named = {}
        for name, parameter in slot.named_parameters(prefix=path):
            if id(parameter) in of_host or not (self._accepts is None or self._accepts(parameter)):
                continue
            if isinstance(self.optimizer, Muon) and parameter.ndim != 2:
                raise SlotError(
                    f"Muon trains matrices alone, got {name!r} of shape {tuple(parameter.shape)}; follow it with"
                    " accepts=lambda parameter: parameter.ndim == 2, and a second optimizer with the opposite"
                )
            named[name] = parameter
        return named

    def _add_group(
        self, name: str, named: Mapping[str, nn.Parameter], before: Mapping[str, Any]
    ) -> None:
        """Add a group with the settings of `before`, the seed's former group, or else of the host's first group."""
        reference, optimizer = self._reference, self.optimizer
        has_names = "param_names" in reference
        settings = {key: copied(reference[key]) for key in optimizer.defaults if key in reference}
        kept = {key: value for key, value in before.items() if key not in NOT_SETTINGS}
        group = {
            **settings,
            "initial_lr": copied(self._options.get("lr", self._base_rate)),
            **self._options,
            **kept,
            "name": name,
            "params": list(named.items() if has_names else named.values()),
        }
        if isinstance(settings["lr"], Tensor) and not isinstance(group["lr"], Tensor):
            group["lr"] = settings["lr"].new_tensor(group["lr"])
        optimizer.add_param_group(group)
        fresh = [one for one in named.values() if one not in optimizer.state]
        if isinstance(optimizer, Adagrad) and fresh:
            # It builds its state in its constructor and fails without it.
            built = Adagrad(
                fresh,
                initial_accumulator_value=group["initial_accumulator_value"],
                fused=group["fused"],
            )
            optimizer.state.update(built.state)

    def _forget(self, parameter: nn.Parameter) -> None:
        """Remove the parameter of a pruned seed from its group, with its state."""
        self.optimizer.state.pop(parameter, None)
        for group in self.optimizer.param_groups:
            for index, one in enumerate(group["params"]):
                if one is parameter:
                    del group["params"][index]
                    if "param_names" in group:
                        del group["param_names"][index]
                    break

    def _set_rates(self) -> None:
        # The first parameter tells the groups of other followers, which may have the same names.
        groups = [
            group
            for group in self.optimizer.param_groups
            if is_of_seed(group) and id(group["params"][0]) in self._known
        ]
        if not groups:
            return
        reference = self._reference
        rate = reference["lr"]
        if "lr" in self._options:
            rate = self._options["lr"] * (rate / self._base_rate)
        for group in groups:
            set_setting(group, "lr", rate)
            for key in _SCHEDULED:
                if key in reference and key not in self._options:
                    group[key] = reference[key]

    def _check_sparse(self) -> None:
        for group in self.optimizer.param_groups:
            for parameter in group["params"] if is_of_seed(group) else ():
                if parameter.grad is not None and not parameter.grad.is_sparse:
                    raise SlotError(
                        "SparseAdam trains parameters with sparse gradients alone, got a dense one of"
                        f" {group['name']}; follow another optimizer for the seeds, such as AdamW"
                    )

    def _take_over(self, scheduler: LRScheduler) -> None:
        """Let `scheduler`, and those that it is made of, see the host's groups alone."""
        instance_of("a scheduler to follow", scheduler, LRScheduler)
        if scheduler.optimizer not in (self.optimizer, self._host_view):
            raise ValueError(
                "a scheduler to follow must be one of the optimizer to follow, got a"
                f" {type(scheduler).__name__} of another; build it with this optimizer"
            )
        scheduler.optimizer = cast(Optimizer, self._host_view)
        if isinstance(scheduler, SequentialLR | ChainedScheduler):
            for part in scheduler._schedulers:
                self._take_over(part)


def _by_path(slots: object) -> dict[str, SeedSlot]:
    if isinstance(slots, SeedSlot):
        return {slots.slot_id: slots}
    if isinstance(slots, nn.Module):
        return find_slots(slots)
    if not isinstance(slots, Iterable):
        raise ValueError(
            f"slots to follow must be a model or slots, got {describe(slots)}; pass the model"
        )
    by_path = (
        dict(slots)
        if isinstance(slots, Mapping)
        else {one.slot_id if isinstance(one, SeedSlot) else "": one for one in slots}
    )
    for slot in by_path.values():
        instance_of("a slot to follow", slot, SeedSlot, "pass the model")
    return by_path


def _same(parameters: Iterable[nn.Parameter], others: Iterable[nn.Parameter]) -> bool:
    """Return whether both are the same objects in the same order; `==` would compare the values."""
    return [id(one) for one in parameters] == [id(one) for one in others]
