"""The fuzz target of config.json, replayed: the committed corpus and mutations of it.

How to fuzz for real is said at the head of tests/fuzz/spec_fuzz.cpp.
"""

from shellkit.replay import replay


def test_no_mutation_of_the_corpus_breaks_what_holds(tmp_path):
    replay("spec_fuzz", "spec_corpus", 5000, tmp_path)
