"""Pictures and pages of a results folder."""
