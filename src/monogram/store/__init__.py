"""What is kept of people: a ledger of what is true of them, and the adapters that were compiled from it."""
