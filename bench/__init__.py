"""The benchmark: this program beside the limit of the machine and beside the tools people would use
instead."""
