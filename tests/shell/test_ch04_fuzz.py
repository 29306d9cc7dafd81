"""The fuzz target of import_layer, replayed: the committed corpus and mutations of it.

How to fuzz for real is said at the head of tests/fuzz/import_fuzz.cpp.
"""

from shellkit.replay import replay


def test_no_mutation_of_the_corpus_escapes(tmp_path):
    replay("import_fuzz", "corpus", 500, tmp_path)
