"""How many small faults the tests catch: one is put into the code at a time, and the tests of its module are run.

Faults are those that a person makes: a sign, a product for a quotient, a comparison that takes or leaves the border,
an axis, a whole number off by one, a constant that is dropped, a condition turned over. They go into the terms, the
rules of relevance, the metrics, the parsers of text and the transforms; sentences, annotations and decorators are left
alone. A fault is caught when a test fails, or takes ten times the processor time that it took.

The tests are the module's own examples, the tests that mirror it, those of its folder, and the laws. Those that enter
the function with the fault come first, the quickest ahead; a fault survives only where all the others pass too. Each
fault is tried by a process of its own, so that nothing of it stays.

Goal: 95 % are caught. Those that survive are listed, to be judged by a person.

    python -m benchmarks.mutation --only objectives --sample 50
"""
