"""The contestants themselves: each file runs one kind of implementation inside a process of its own."""
