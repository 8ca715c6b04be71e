"""The audit trail: who changed what, and who was refused what."""
