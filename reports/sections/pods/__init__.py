"""Pods and the actions on them: effects, blast radius, figures by pod."""
