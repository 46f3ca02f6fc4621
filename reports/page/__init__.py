"""One self-contained page: figures, plots, and what is behind them."""
