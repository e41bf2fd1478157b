"""What people read in a pull request: its title, its body and its commit message.

What there is to say is collected first, then said in plain sentences;
one hidden line at the end of the body is what the bridge reads again.

Who writes it to a forge is in ``bridge.reconcile``.
"""
