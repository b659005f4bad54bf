"""What the operating system provides.

atomic      files that appear whole or not at all
cache_dir   where caches lie
lock        a lock on an open file, on POSIX and Windows
newest      the folder that was written last
numbers     whole numbers from text, of any length
npz         arrays that somebody else wrote
processors  which, and how many may be used
signals     SIGINT and SIGTERM at a safe moment
streams     stdout and stderr, whatever they are connected to
telemetry   the libraries' own reports, turned off
token_file  secrets from files
"""
