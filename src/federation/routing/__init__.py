"""Features, classifier, eligibility, scores and strategies. Pure."""
