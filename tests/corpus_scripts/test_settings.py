"""Options of readers given as KEY=VALUE."""

import pytest

from corpus_scripts.reading import ReadOptions
from corpus_scripts.settings import setting_keys, with_settings


def test_values_take_the_kind_of_their_field():
    given = ["rows.dialect=prodigy", "conll.token_column=2", "rows.label_columns=A, B", "missing_ann=skip"]
    options = with_settings(ReadOptions(), given)
    assert options.rows.dialect == "prodigy"
    assert options.conll.token_column == 2
    assert options.rows.label_columns == ("A", "B")
    assert options.missing_ann == "skip"


def test_every_listed_key_can_be_set():
    for key, value in setting_keys(ReadOptions()):
        shown = ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
        changed = dict(setting_keys(with_settings(ReadOptions(), [f"{key}={shown}"])))
        assert changed[key] == value or (value is None and not changed[key]), key


@pytest.mark.parametrize(
    "setting",
    ["rows.dialect", "rows.nothing=1", "nothing=1", "rows=1", "conll.token_column=two", "missing_ann.x=1"],
)
def test_unknown_keys_and_wrong_kinds_are_refused_and_the_known_ones_named(setting):
    with pytest.raises(ValueError, match=r"BC627.*rows\.dialect"):
        with_settings(ReadOptions(), [setting])


def test_values_are_checked_by_the_options_themselves():
    with pytest.raises(ValueError, match="BC622"):
        with_settings(ReadOptions(), ["rows.dialect=unheard"])
