"""Workers on several hosts: who takes part in a study, and how each host serves its runs."""
