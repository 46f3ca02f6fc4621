"""What is added to Locust's command line and web UI: fields of the start form, the page of the run."""
