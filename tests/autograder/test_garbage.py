"""Imports without looking for garbage."""

import gc

import pytest

from autograder.garbage import no_garbage


def test_nothing_is_looked_for_inside_and_what_was_made_is_left_alone_later():
    before = gc.get_freeze_count()
    try:
        with no_garbage():
            assert not gc.isenabled()
            kept = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()


def test_after_an_error_garbage_is_looked_for_again():
    try:
        with pytest.raises(ImportError), no_garbage():
            raise ImportError
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_who_did_not_look_for_garbage_before_does_not_after():
    gc.disable()
    try:
        with no_garbage():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
