"""Whether the candidate is faster or slower: pairs of latencies to verdicts.

`pairs` keeps what is judged, `effect` and `resampling` are the arithmetic on it, `judging`
joins them. numpy and scipy are imported by the last three alone, which are imported only where
there is something to judge.
"""
