"""What the shell tests stand on: a host of their own, programs, judgement from outside, leaks."""
