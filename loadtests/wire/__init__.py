"""How messages travel: `codecs` are pure, `connection` is one WebSocket for greenlets."""
