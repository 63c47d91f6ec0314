"""What `scripts/compare_peers.py` is made of.

A contestant is a process that waits on a pipe while others run (`contestant`, `child`; `posecli_child`, `port_child`
and `scripts/tfjs/bench.mjs` are those processes). `materials` makes what they all work on, `scenarios` says what is
tried, `rounds` runs it, `results` holds the figures, `targets` judges them, and `page` writes them down.
"""
