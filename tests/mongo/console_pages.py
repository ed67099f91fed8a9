"""Pages of MongoDB's HTTP console."""

from __future__ import annotations

SHOWN = (
    b"HTTP/1.0 200 OK\r\nContent-Type: text/html;charset=utf-8\r\nConnection: close\r\n"
    b"Content-Length: 4563\r\n\r\n<html><head><title>mongod db-a.example</title><style>...</style></head>"
    b"<body><h2>mongod db-a.example</h2>"
)


LOCKED = (
    b"HTTP/1.0 401 Not Authorized\r\nContent-Type: text/html;charset=utf-8\r\nConnection: close\r\n"
    b'Content-Length: 13\r\nWWW-Authenticate: Digest realm="mongo", nonce="a3f", algorithm=MD5, qop="auth" '
    b"\r\n\r\nnot allowed\r\n"
)
