"""What runs in processes of its own: makers of data, peers, and looks at results.

Each prints one JSON object on stdout.
"""
