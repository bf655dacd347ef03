"""Whether an answer says what it should: by rules, by meaning, by a judge; and how far these agree."""
