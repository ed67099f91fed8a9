"""The optional raw stage: finds answering addresses with SYN packets before the connect engine asks them."""
