"""The steps of a look, in both directions: observe, compare, plan, carry out; and of what surrounds
it: scan, publish, review, decide."""
