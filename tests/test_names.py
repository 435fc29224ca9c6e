"""Names are found whatever their spelling, and unknown ones get suggestions."""

import pytest

from facegen_jax.names import by_spelling, did_you_mean, normalise

KNOWN = ("Mouth_Slightly_Open", "Smiling", "Eyeglasses")


@pytest.mark.parametrize(
    "name",
    ["Mouth_Slightly_Open", "mouth slightly open", "MOUTH-slightly-OPEN", " Mouth Slightly_Open "],
)
def test_spelling_variants_normalise_to_the_same_name(name):
    assert by_spelling(KNOWN)[normalise(name)] == "Mouth_Slightly_Open"
    assert normalise(normalise(name)) == normalise(name)


def test_different_names_stay_different():
    assert list(by_spelling(KNOWN).values()) == list(KNOWN)
    assert normalise("Smiling") != normalise("Not Smiling")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("smilling", ", did you mean 'Smiling'?"),
        ("mouth-slightly-opened", ", did you mean 'Mouth_Slightly_Open'?"),
        ("Eyeglass", ", did you mean 'Eyeglasses'?"),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_suggestions_use_the_spelling_of_the_known_names(name, hint):
    assert did_you_mean(name, KNOWN) == hint


def test_several_suggestions_start_with_the_closest():
    known = ("weights.identity", "weights.attribute", "identity")
    assert did_you_mean("identty", known) == ", did you mean 'identity'?"
    hint = did_you_mean("identty", known, limit=3)
    assert hint == ", did you mean 'identity', 'weights.identity'?"


def test_no_known_names_give_no_suggestion():
    assert did_you_mean("Smiling", ()) == ""
