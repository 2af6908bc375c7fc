"""The dashboard: one page over the lake, served on loopback; each panel is a query."""
