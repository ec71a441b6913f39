"""What hangs together in a session: values that an answer gives and later requests carry. Pure.

`learning` finds them in a capture, `rules` says which they are, `live` puts each side's own in
the place of the recorded ones, and `mapping` tells the judge which two stand for one thing.
"""
