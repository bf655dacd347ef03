"""The service: many people, one model, over the interfaces that assistants already speak. A door."""
