"""What is measured: one small file per task, each an entry point of the group `monogram.tasks`."""
