"""Who acts: agents, customers, their sessions, arrivals and stages."""
