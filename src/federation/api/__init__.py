"""The management plane, in the control process only."""
