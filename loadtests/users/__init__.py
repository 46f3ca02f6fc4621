"""Who acts: agents, customers, arrivals, stages. The only room that knows Locust."""
