"""The losses after a rollback show whether it has changed anything."""

from esper.tolaria.probing.course import Course


def course_of(before, after, *, to=20):
    """Return a course with the losses `before` a rollback to step `to` and those `after` it."""
    course = Course()
    for step, loss in enumerate(before):
        course.note(step, loss)
    course.note_rollback(to)
    for step, loss in enumerate(after, start=to):
        course.note(step, loss)
    return course


USUAL = [0.5] * 30


def test_losses_that_are_high_at_once_are_a_new_level():
    assert course_of([*USUAL, 3.0, 3.1, 3.0, 3.0], [3.0, 3.1, 2.9, 3.0]).is_repeated(3.0)


def test_high_losses_after_a_rollback_do_not_overrule_a_conviction():
    course = course_of([*USUAL, 3.0, 3.1, 3.0, 3.0], [3.0, 3.1, 2.9, 3.0])

    assert not course.is_repeated(3.0, is_convicted=True)


def test_losses_that_are_high_only_after_a_step_are_not():
    assert not course_of([*USUAL, 3.0, 3.1, 3.0, 3.0], [0.5, 3.1, 2.9, 3.0]).is_repeated(3.0)


def test_the_same_rise_once_more_is_a_new_level_and_is_tolerated_further_on():
    rise = [0.5 + 0.05 * step for step in range(12)]
    course = course_of([*USUAL, *rise], [*[0.5] * 10, *rise])

    assert course.is_repeated(rise[-1])
    assert course.is_repeated(rise[-1] + 0.3)


def test_a_second_explosion_is_not_the_same_course():
    course = course_of([*USUAL, 6.8, 189.0, 689.0, 40.0], [*[0.5] * 10, 3.0, 31.0, 90.0, 300.0])

    assert not course.is_repeated(300.0)


def test_a_level_that_going_back_has_not_changed_is_tolerated_until_a_shift():
    course = course_of([*USUAL, 3.0, 3.1, 3.0, 3.0], [0.5] * 40)
    course.tolerate(3.0)
    assert course.is_repeated(2.9)
    assert not course.is_repeated(3.5)

    course.note_shift()

    assert not course.is_repeated(2.9)


def test_going_back_is_in_vain_after_two_returns_to_high_losses_or_one_after_a_shift():
    once = course_of([*USUAL, 16.0, 11.0], [8.0, 3.0])
    assert not once.is_in_vain
    once.note_rollback(20)
    once.note(20, 9.0)
    assert once.is_in_vain

    announced = course_of(USUAL, [], to=30)
    announced.note_shift()
    announced.note(30, 16.0)
    announced.note_rollback(20)
    announced.note(20, 9.0)
    assert announced.is_in_vain


def test_restored_weights_that_are_good_at_once_are_not_in_vain():
    course = course_of([*USUAL, 16.0, 300.0], [0.5, 20.0])
    course.note_rollback(20)
    course.note(20, 0.5)

    assert not course.is_in_vain


def test_a_cleared_suspicion_ends_the_control():
    course = course_of([*USUAL, 3.0, 3.1, 3.0, 3.0], [3.0, 3.1, 2.9, 3.0])
    course.end_control()

    assert not course.is_repeated(30_000.0)
