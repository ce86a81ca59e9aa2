"""How many small faults the tests catch: one is put into the code at a time, and the tests of its module are run.

Faults are those that a person makes: a sign, a product for a quotient, a comparison that takes or leaves the border,
an axis, a whole number off by one, a constant that is dropped, a condition turned over. They go into the terms, the
rules of relevance, the metrics, the formulas of the describers, the parsers of text and the transforms, crops
included; sentences, annotations and decorators are left alone. A fault is caught when a test fails, or takes five times
the processor time that it took, and 15 seconds.

The tests are the module's own examples, the tests that mirror it, those of its folder, and the laws. They run once
without a fault, to see which functions each enters, and are collected once. Of a fault those that enter its function
run, the quickest ahead, then the others of the same files, which may share what was made for the first. The rest cannot
see it. Each fault is tried by a process of its own, so that nothing of it stays: its code takes the place of the code
of the function that is imported. Where the function runs while modules are imported, these are imported again.

Goal: 95 % are caught. Those that survive are listed, to be judged by a person.

    python -m benchmarks.mutation --only objectives --sample 50
"""
