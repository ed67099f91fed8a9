"""The files of docs/siem, each loaded by the program that it is for where that can be had."""
