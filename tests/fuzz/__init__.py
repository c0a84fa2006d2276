"""Coverage-guided fuzzing of every parser of untrusted bytes, by hand: ``make fuzz``."""
