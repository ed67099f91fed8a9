"""The network behind one interface: epoll, asyncio, memory, and TLS as a layer."""
