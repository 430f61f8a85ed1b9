"""The journeys that matter: what people do with Postroom, each in one sentence, with the tests that walk it and the pictures they take.

`tests/house/test_journeys.py` keeps the table true: every test exists and takes pictures that stand here, and no test of this folder is
missing. A picture is taken by `looking.shot`, which also asks axe; people look at the pictures (`docs/explanation/journeys.md`).
"""

from __future__ import annotations

from dataclasses import dataclass

HERE = "tests/e2e/journeys"
DEMO = "tests/e2e/test_demo_in_a_browser.py"
SET_UP = f"{HERE}/test_setting_up.py::test_from_nothing_to_the_first_answered_ticket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """``tests`` by the names that pytest knows, ``pictures`` by the names of their files."""

    sentence: str
    tests: tuple[str, ...]
    pictures: tuple[str, ...]


def journey(sentence: str, tests: str | tuple[str, ...], *pictures: str) -> Journey:
    return Journey(sentence=sentence, tests=(tests,) if isinstance(tests, str) else tests, pictures=pictures)


JOURNEYS = (
    journey(
        "Alice writes to a customer, whose answer appears on the open page.",
        f"{DEMO}::test_an_answer_of_the_customer_appears_on_the_open_page",
        "message-answered",
        "message-why",
    ),
    journey(
        "A note stays in the house, whoever follows.",
        f"{DEMO}::test_a_note_never_reaches_the_customer",
        "note-written",
        "note-stayed",
    ),
    journey(
        "A whole message with everything in it is written, taken back, sent again and read by its receivers.",
        f"{HERE}/test_writing.py::test_a_whole_message_is_written_taken_back_and_sent_again",
        "writing-mention",
        "writing-whole",
        "writing-toast",
        "writing-letter",
    ),
    journey(
        "Two windows write on one draft, and neither is lost.",
        f"{HERE}/test_writing.py::test_two_windows_do_not_overwrite_each_other_silently",
        "writing-conflict",
    ),
    journey(
        "A customer is answered on a phone.",
        f"{HERE}/test_writing.py::test_an_answer_on_a_phone",
        "writing-phone",
        "writing-phone-full",
    ),
    journey(
        "Bob follows a record, chooses what he hears of, hears of it by mail, and unfollows.",
        f"{HERE}/test_working_together.py::test_a_follower_hears_what_he_chose_and_nothing_after_he_left",
        "follow-chosen",
        "follow-left",
    ),
    journey(
        "A note of Bob appears on the page of Alice and does not disturb what she is typing.",
        f"{HERE}/test_working_together.py::test_a_note_of_bob_appears_while_alice_is_typing",
        "together-typing",
    ),
    journey(
        "A customer answers with a picture, which previews on the record.",
        f"{HERE}/test_working_together.py::test_the_outside_person_answers_with_a_picture_that_previews",
        "letter-read",
        "letter-previewed",
    ),
    journey(
        "A template is written, previewed on a real record, used, scheduled, changed and cancelled.",
        f"{HERE}/test_working_together.py::test_a_template_is_written_used_scheduled_changed_and_cancelled",
        "template-previewed",
        "template-scheduled",
        "template-changed",
    ),
    journey(
        "A filter is kept as a view, opens the list by itself, is used on the phone and removed.",
        f"{HERE}/test_working_together.py::test_a_view_is_kept_pinned_used_on_the_phone_and_removed",
        "view-pinned",
        "view-phone",
    ),
    journey(
        "A record is given away, moves on, gets activities, pictures from elsewhere and a quoting reply, and goes on paper.",
        f"{HERE}/test_working_on_a_record.py::test_a_record_is_worked_on",
        "timeline-planned",
        "timeline-record",
        "timeline-paper",
        "timeline-person",
        "timeline-merge",
        "timeline-record-narrow-light",
        "timeline-record-narrow-dark",
        "timeline-record-wide-dark",
    ),
    journey(
        "A list is worked through by keyboard alone.",
        (
            f"{HERE}/test_working_through_a_list.py::test_a_list_is_worked_through_by_keyboard",
            f"{HERE}/test_working_through_a_list.py::test_a_record_that_comes_while_the_list_looks_for_others_is_not_lost",
        ),
        "working-open",
        "working-done",
        "working-keys",
        "working-late",
    ),
    journey(
        "An old message is found by its words.",
        f"{HERE}/test_working_through_a_list.py::test_an_old_message_is_found_by_its_words_and_read_beside_the_list",
        "found",
        "found-open",
        "found-nothing",
    ),
    journey(
        "A failure is understood, its address corrected, and the message arrives.",
        f"{HERE}/test_failure_to_arrival.py::test_a_failure_is_understood_mended_and_arrives",
        "failure-home-wide",
        "failure-home-narrow",
        "failure-dialog-wide",
        "failure-dialog-narrow",
    ),
    journey(
        "A bounce turns the envelope red until Alice ignores it.",
        f"{DEMO}::test_a_bounce_turns_the_envelope_red_until_alice_ignores_it",
        "ignore-red",
        "ignore-details",
        "ignore-done",
    ),
    journey(
        "A held mail finds its record.",
        f"{DEMO}::test_a_held_mail_finds_its_record_with_the_help_of_alice",
        "held-mail",
        "held-record",
    ),
    journey(
        "Two hundred failures are tried again at once, and a slip is undone.",
        f"{HERE}/test_queue_of_two_hundred.py::test_two_hundred_are_tried_again_with_a_progress_bar_and_cancelling_is_undone",
        "queue-groups",
        "queue-chosen",
        "queue-progress",
        "queue-waiting",
        "queue-story",
    ),
    journey(
        "From nothing to the first alias, whose first mail is a ticket and is answered.",
        SET_UP,
        "setting-up-person",
        "setting-up-company",
        "setting-up-found",
        "setting-up-alias",
        "setting-up-done",
        "setting-up-answered",
    ),
    journey(
        "A server is set up with a wrong password, is told why, and then with the right one.",
        SET_UP,
        "setting-up-wrong-password",
        "setting-up-right-password",
        "setting-up-mailbox",
    ),
    journey(
        "Whoever looked around in the demo goes on with a mailbox of his own, and answers the first customer.",
        f"{HERE}/test_setting_up.py::test_from_the_demo_to_the_first_answered_ticket",
        "demo-goes-on",
        "demo-answered",
    ),
    journey(
        "A mailbox with a wrong password is told why, and then is confirmed.",
        f"{HERE}/test_keeping_house.py::test_a_mailbox_fails_with_its_cause_and_then_is_confirmed",
        "mailbox-wrong-password",
        "mailbox-confirmed",
    ),
    journey(
        "An invited colleague chooses a password and a second factor, and sees her own company alone.",
        f"{HERE}/test_keeping_house.py::test_an_invited_colleague_comes_in_with_a_second_factor_and_sees_her_company_alone",
        "invited-link",
        "invited-password",
        "invited-factor",
        "invited-code",
        "invited-records",
    ),
    journey(
        "A parameter refuses a wrong value, takes a right one, and the change log tells; an action runs now.",
        f"{HERE}/test_keeping_house.py::test_a_parameter_and_a_scheduled_action_are_changed_and_tell_of_it",
        "parameter-wrong",
        "parameter-changes",
        "action-history",
    ),
    journey(
        "An API key is made, used by a program, removed, and then refused.",
        f"{HERE}/test_keeping_house.py::test_a_key_opens_the_api_until_it_is_removed",
        "key-made",
        "key-used",
    ),
    journey(
        "Dark mode is chosen and stays over pages, and the pages speak German.",
        f"{HERE}/test_keeping_house.py::test_dark_mode_and_german_stay_over_pages",
        "taste-dark",
        "taste-german",
    ),
)

PICTURES = frozenset(picture for one in JOURNEYS for picture in one.pictures)
