"""The published playbook: the life of one call on one deployment, as data that can be executed."""
