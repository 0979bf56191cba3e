"""Grafana dashboards as code. They know the metric table (`streams.metric_specs`) and nothing else."""
