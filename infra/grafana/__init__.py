"""Grafana: dashboards that are made by code, and where Grafana finds them."""
