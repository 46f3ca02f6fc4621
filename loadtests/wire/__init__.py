"""WebSockets: frames, handshake, transport, connections. No messages: those are the protocols'."""
