"""Rules for Prometheus, made from the settings: what is recorded, and of what people are told.

`rule_types` is what a rule is, `narrative_rules`, `watch_rules` and `operation_rules` are the rules,
`recording_rules` what is computed ahead for them and for dashboards, `render` makes YAML of all.
"""
