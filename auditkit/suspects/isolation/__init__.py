"""Suspects that are files answer from a process of their own, behind walls.

A stranger's file may run code when it is opened, write files, loop for ever or fill the memory. So
the auditor's process never opens one: a worker does, which can't write, reach a network, start a
command or use more than it is given. Points go in and answers come out as raw arrays over a pipe.
"""
