"""What the operating system provides.

atomic      files that appear whole or not at all
cache_dir   where caches lie
newest      the folder that was written last
signals     SIGINT and SIGTERM at a safe moment
telemetry   the libraries' own reports, turned off
token_file  secrets from files
"""
