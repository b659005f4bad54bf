"""`make fuzz`: odd files and odd words for every command, until its minutes are over.

conftest   --minutes, the fixtures, and the table of figures at the end
programs   the commands, each call in a process of its own, with its time and memory
explore    examples until the time is over
test_*     one kind of input a file

What holds for all of them: no traceback, no crash, no hang over 10 s, never over 1 GB, no escape codes on the terminal.
"""
