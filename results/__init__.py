"""What was seen: the record, the journal, and every reader of it. Imports nothing of ours."""
