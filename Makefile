# Verbs only. Quoted variables may hold spaces.
.DEFAULT_GOAL := help
