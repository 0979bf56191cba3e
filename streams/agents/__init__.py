"""Agents: the Faust stream processors. Each decodes, calls `models`, and emits."""
