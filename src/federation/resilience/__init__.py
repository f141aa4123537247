"""Health, circuits and recovery as pure state machines with a clock argument."""
